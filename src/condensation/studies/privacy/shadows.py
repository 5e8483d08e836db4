"""Shadow pipelines: a set condensed from a random half, networks trained on it, and what they tell about every image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.core.tensor_files import read_tensors, write_tensors
from condensation.data.dataset import Data
from condensation.methods.base import Method
from condensation.methods.loop import condense
from condensation.networks.base import Classifier
from condensation.studies.privacy.pool import AttackPool
from condensation.studies.privacy.settings import PrivacySettings
from condensation.studies.tasks import Task, Watch, file_state
from condensation.training.stacked import SingleModel
from condensation.training.train import class_accuracies, train

SHADOWS, KIND = "shadows", "shadow"
BLOCK = 256  # images compared with a set at a time
TESTED = 500  # test images per forward pass


def shadow_path(folder: Path, arm: str, number: int) -> Path:
    """Return the file of one shadow of an arm."""
    return folder / SHADOWS / f"{arm}-{number}.safetensors"


def shadow_task(
    settings: PrivacySettings,
    arm: str,
    method: Method | None,
    number: int,
    folder: Path,
    pool: Callable[[], AttackPool],
    data: Callable[[], Data],
) -> Task:
    """Return the task that makes one shadow of an arm."""
    path = shadow_path(folder, arm, number)

    def work(watch: Watch) -> None:
        networks, tensors = measure(settings, method, number, pool(), watch)
        test = data().test.to(settings.compute.device)
        accuracies = [float(class_accuracies(SingleModel(each), test, TESTED).mean()) for each in networks]
        write_tensors(path, KIND, tensors, {"arm": arm, "number": number, "accuracy": round(100 * sum(accuracies) / len(accuracies), 2)})

    return Task(
        name=f"{arm}-{number}",
        group=SHADOWS,
        title=f"{arm}, half {number + 1}",
        work=work,
        state=lambda failures: file_state(path, f"{arm}-{number}", failures),
        result=lambda: f"{read_tensors(path, KIND)[1]['accuracy']:.1f} %",
    )


def measure(
    settings: PrivacySettings, method: Method | None, number: int, pool: AttackPool, watch: Watch
) -> tuple[list[Classifier], dict[str, Tensor]]:
    """Condense a half, train networks on it, and return them with the scores of all images: float32 (n,) each.

    ``networks`` is the mean logit-scaled confidence log(p / (1 - p)) in the label; ``set`` minus the distance to the nearest image of the
    label in the set. The half ``number`` is also the seed.
    """
    device, half = settings.compute.device, pool.half(number)
    small = half
    if method is not None:
        small = condense(method, half, settings.ipc, seed=number, compute=settings.compute, observers=watch.observers)
    everything, small = pool.images.to(device), small.to(device)
    networks, confidence = list[Classifier](), torch.zeros(len(everything), dtype=torch.float64)
    for index in range(settings.networks):
        rng = Rng(settings.seed).child("attacked", number, index)
        network = settings.spec.build(half.shape, half.num_classes, rng.child("weights")).to(device, settings.compute.dtype)
        train(network, small, settings.recipe, rng.child("train"), partial(_report, watch, settings, index))
        network.eval()
        confidence += logit_confidence(network, everything) / settings.networks
        networks.append(network)
    tensors = {"networks": confidence.float()}
    if method is not None:
        tensors["set"] = -nearest_distance(everything, small.decoded())
    return networks, tensors


def _report(watch: Watch, settings: PrivacySettings, index: int, epoch: int) -> None:
    if watch.on_progress:
        watch.on_progress(index * settings.recipe.epochs + epoch, settings.networks * settings.recipe.epochs)


def logit_confidence(network: Classifier, images: ImageSet) -> Tensor:
    """Return log(p / (1 - p)) of the probability p of the label of each image, float64 (n,), as in LiRA (Carlini et al., 2022)."""
    scores = []
    with torch.no_grad():
        for first in range(0, len(images), BLOCK):
            piece = slice(first, first + BLOCK)
            logits = network(images.inputs(piece).to(next(network.parameters()).dtype)).double()
            label = images.labels[piece][:, None]
            own = logits.gather(1, label)[:, 0]
            scores.append(own - logits.scatter(1, label, -torch.inf).logsumexp(1))  # stable where p is close to 1
    return torch.cat(scores).cpu()


def nearest_distance(images: ImageSet, small: ImageSet) -> Tensor:
    """Return the distance in network inputs of each image to the nearest one of its label in ``small``, float32 (n,)."""
    distances = torch.empty(len(images))
    for label in images.classes:
        mine = torch.arange(images.starts[label], images.starts[label] + images.counts[label])
        points = small.select([label]).inputs().flatten(1).float()
        for piece in torch.split(mine, BLOCK):
            inputs = images.inputs(piece.to(images.device)).flatten(1).float()
            distances[piece] = torch.cdist(inputs, points).min(1).values.cpu()
    return distances
