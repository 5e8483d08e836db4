"""Comparison of matching last-layer gradients with matching features, before and during training.

With a zero head the two are equal up to a factor (`condensation.matching.last_layer`). Both losses are measured between
random subsets of real images: how similarly they rank the subsets, and how similarly they would change the pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.rng import ClassDraw, Rng
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.matching.last_layer import mean_last_layer_gradient, squared_distance
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.studies.rank_correlation import spearman
from condensation.studies.settings import require_at_least
from condensation.studies.study_folder import claim_folder
from condensation.studies.tasks import Lazy, Task, TaskList, Watch, file_state
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, class_accuracies, train

NETWORKS = "networks"
ZERO = "head of zeros"


@dataclass(frozen=True)
class TheorySettings:
    """Settings of the measurement."""

    noun: ClassVar[str] = "measurement of gradient matching"
    mark: ClassVar[str] = "pairs"

    data: DataSettings = DataSettings()
    """Data set and reading options."""
    network: NetworkSpec = ConvNet(width=32)
    """Architecture of the networks."""
    networks: int = 2
    """Networks to draw and train."""
    epochs: tuple[int, ...] = (0, 1, 3, 10)
    """Epochs of training after which to measure, ascending."""
    pairs: int = 30
    """Pairs of random subsets at each measurement."""
    ipc: int = 10
    """Images per class in the smaller subset, whose pixels would be learned."""
    batch_per_class: int = 32
    """Images per class in the larger subset."""
    lr: float = 0.01
    """Learning rate of training the network."""
    seed: int = 0
    """Seed of networks and subsets."""
    compute: Compute = Compute()
    """Device, precision and compilation."""

    def __post_init__(self) -> None:
        require_at_least(self, {"networks": 1, "pairs": 3, "ipc": 1, "batch_per_class": 1})
        if not self.epochs or min(self.epochs) < 0 or list(self.epochs) != sorted(set(self.epochs)):
            problem = f"epochs is {list(self.epochs)}; it must be ascending whole numbers from 0, such as 0,1,3,10."
            raise CondensationError(problem, setting="epochs")


@dataclass(frozen=True)
class Measurement:
    """Both losses on one network at one moment of its training."""

    after: int | str  # epochs of training, or `head of zeros`
    accuracy: float | None  # test accuracy in percent; None for the zero head, which guesses
    rank_correlation: float  # Spearman's correlation of the two losses over all pairs
    cosine: float  # mean cosine of the pixel gradients
    feature_losses: tuple[float, ...]
    gradient_losses: tuple[float, ...]
    cosines: tuple[float, ...]


def claim_theory(settings: TheorySettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than this measurement."""
    claim_folder(folder, settings, decisive_settings)


def theory_tasks(settings: TheorySettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the networks to measure, each a task."""
    data = Lazy(partial(settings.data.load, on_reading))

    def check() -> None:
        train = data().train
        images_per_class(train, settings.ipc)
        if not hasattr(settings.network.build(train.shape, train.num_classes, Rng(0)), "classifier"):
            problem = "This network does not name its last layer as classifier."
            raise CondensationError(problem, hint="Choose a network of this library.", setting="network")

    def task(number: int) -> Task:
        path = folder / NETWORKS / f"{number}.json"
        return Task(
            name=str(number),
            group=NETWORKS,
            title=f"network {number}",
            work=lambda watch: write_json(path, to_dict(_measure_network(settings, data(), number, watch))),
            state=lambda failures: file_state(path, str(number), failures),
            vital=True,
        )

    return TaskList(list(map(task, range(settings.networks))), [data()], check, memory=[data])


def decisive_settings(settings: TheorySettings) -> Mapping[str, Any]:
    """Return the plain settings that decide each network's numbers."""
    content = to_dict(replace(settings, data=replace(settings.data, folder=None)))
    return {name: value for name, value in content.items() if name not in ("networks", "compute")}


def losses(network: Classifier, images: Tensor, target: ImageSet, labels: Tensor, draw: ClassDraw, zero: bool) -> tuple[Tensor, Tensor]:
    """Return the losses of feature matching and of last-layer gradient matching, summed over classes: two scalars.

    The ``draw`` of ``target`` is matched by ``images`` (n, c, h, w) with ``labels`` (n,). A ``zero`` last layer has no bias.
    """
    features, real = network.embed(images), network.embed(target.inputs(draw.indices).to(images.dtype)).detach()
    logits, real_logits = network.classifier(features), network.classifier(real)
    if zero:
        logits, real_logits = torch.zeros_like(logits), torch.zeros_like(real_logits)
    feature_loss, gradient_loss = images.new_zeros(()), images.new_zeros(())
    for index, label in enumerate(draw.classes):
        synthetic, matched = labels == label, draw.class_index == index
        real_labels = torch.full((int(matched.sum()),), label, device=images.device)
        feature_loss = feature_loss + squared_distance(real[matched].mean(0), features[synthetic].mean(0))
        wanted = mean_last_layer_gradient(real[matched], real_logits[matched], real_labels).detach()
        gradient = mean_last_layer_gradient(features[synthetic], logits[synthetic], labels[synthetic])
        gradient_loss = gradient_loss + squared_distance(wanted, gradient)
    return feature_loss, gradient_loss


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's rank correlation: 1 for the same order, -1 for the opposite one."""
    return float(spearman(np.asarray(first), np.asarray(second), np.ones((1, len(first))))[0])


def _measure_network(settings: TheorySettings, data: Data, number: int, watch: Watch) -> list[Measurement]:
    """Measure one network with a zero head, then after each number of epochs."""
    compute = settings.compute
    real, test, rng = data.train.to(compute.device), data.test.to(compute.device), Rng(settings.seed).child("network", number)
    network = settings.network.build(real.shape, real.num_classes, rng.child("weights")).to(compute.device, compute.dtype)
    measurements: list[Measurement] = []

    def measure(epochs: int | str) -> None:
        zero = epochs == ZERO
        fraction = None if zero else float(class_accuracies(SingleModel(network), test, compute.suitable_chunk(test.shape)).mean())
        network.train()
        pairs = [_pair(network, real, settings, rng.child("pair", pair), zero) for pair in range(settings.pairs)]
        feature_losses, gradient_losses, cosines = zip(*pairs, strict=True)
        accuracy = None if fraction is None else round(100 * fraction, 2)
        correlation, cosine = rank_correlation(feature_losses, gradient_losses), float(np.mean(cosines))
        measurements.append(Measurement(epochs, accuracy, correlation, cosine, feature_losses, gradient_losses, cosines))

    def after_epoch(done: int) -> None:
        if watch.on_progress:
            watch.on_progress(done, last)
        if done in settings.epochs:
            measure(done)

    last = settings.epochs[-1]
    measure(ZERO)
    if 0 in settings.epochs:
        measure(0)
    if last:
        recipe = Recipe(epochs=last, lr=settings.lr, lr_drop_epoch=last, augmentation=None)
        train(network, real, recipe, rng.child("train"), after_epoch)
    return measurements


def _pair(network: Classifier, real: ImageSet, settings: TheorySettings, rng: Rng, zero: bool) -> tuple[float, float, float]:
    """Return both losses between two random subsets, and the cosine of their gradients in the pixels of the smaller one."""
    small = real.draw(settings.ipc, rng.child("small"))
    images = real.inputs(small.indices).to(next(network.parameters()).dtype).requires_grad_()
    large = real.draw(settings.batch_per_class, rng.child("large"))
    feature_loss, gradient_loss = losses(network, images, real, real.labels[small.indices], large, zero)
    first, second = (torch.autograd.grad(loss, images, retain_graph=True)[0].flatten() for loss in (feature_loss, gradient_loss))
    return float(feature_loss.detach()), float(gradient_loss.detach()), float(torch.cosine_similarity(first, second, dim=0))
