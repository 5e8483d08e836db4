"""How near does matching last-layer gradients come to matching features, and until when in training?

With a head of zeros the two are the same but for a factor (`condensation.matching.last_layer`). Here both losses are measured
between random subsets of real images, on networks before and during training: how well they rank the subsets alike, and how
alike they would change the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ClassDraw, ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import read_json, write, write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.matching.last_layer import mean_last_layer_gradient, squared_distance
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.studies.jobs import Watch
from condensation.studies.rank_correlation import spearman
from condensation.studies.study_folder import SETTINGS, keep, kept_in
from condensation.studies.table.report import png
from condensation.studies.theory.figure import ZERO, figure
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, class_accuracies, train

JSON, PICTURE, NETWORKS = "theory.json", "theory.png", "networks"


@dataclass(frozen=True)
class TheorySettings:
    """Everything that decides the measurement."""

    data: DataSettings = DataSettings()
    network: NetworkSpec = ConvNet(width=32)
    networks: int = 2  # drawn and trained
    epochs: tuple[int, ...] = (0, 1, 3, 10)  # of training, after which is measured
    pairs: int = 30  # of random subsets, each time
    ipc: int = 10  # images of each class in the smaller subset, whose pixels would be learned
    batch_per_class: int = 32  # in the larger one
    lr: float = 0.01  # of training the network
    seed: int = 0
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        for name, least in (("networks", 1), ("pairs", 3), ("ipc", 1), ("batch_per_class", 1)):
            if getattr(self, name) < least:
                raise CondensationError(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        if not self.epochs or min(self.epochs) < 0 or list(self.epochs) != sorted(set(self.epochs)):
            raise CondensationError(f"epochs is {list(self.epochs)}; it must be whole numbers from 0 that grow, such as 0,1,3,10.")


def run_theory(settings: TheorySettings, out: str | Path, watch: Watch = Watch()) -> dict[str, Any]:
    """Measure what is missing in the folder ``out``, network by network, and return all, as ``theory.json`` has it.

    Raises:
        CondensationError: if anything in the settings cannot be done, or the folder holds something else.
        Stopped: if ``watch`` asked for it; networks that are done are kept.
    """
    folder = Path(out)
    settings = from_dict(TheorySettings, to_dict(settings))  # as it is read again, so that it can be compared
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and theory_in(folder) != settings:
        raise CondensationError(f"{folder} holds a measurement with other settings.\nChoose another folder with --out.")
    data = settings.data.load(watch.on_reading)
    images_per_class(data.train, settings.ipc)
    if not hasattr(settings.network.build(data.train.shape, data.train.num_classes, Rng(0)), "classifier"):
        raise CondensationError("This network does not say which its last layer is.\nTake one that `condense networks` lists.")
    keep(folder, settings, data)
    for number in range(settings.networks):
        path = folder / NETWORKS / f"{number}.json"
        if watch.on_job:
            watch.on_job(number + 1, settings.networks, f"network {number}", "finished" if path.exists() else "to do")
        if not path.exists():
            write_json(path, _of_network(settings, data, number, watch))
    return write_theory(folder)


def write_theory(folder: Path) -> dict[str, Any]:
    """Write ``theory.json`` and ``theory.png`` from the networks that are done in ``folder``; return the first."""
    kept = read_json(folder / SETTINGS)
    settings = theory_in(folder)
    done = [read_json(path) for path in (folder / NETWORKS / f"{number}.json" for number in range(settings.networks)) if path.exists()]
    measured = {"networks": done, "means": _means(done), **kept}
    write_json(folder / JSON, measured)
    if done:
        write(folder / PICTURE, png(figure(measured)))
    return measured


def theory_in(folder: str | Path) -> TheorySettings:
    """The settings of the measurement in ``folder``.

    Raises:
        CondensationError: if there is none.
    """
    otherwise = f"There is no such measurement in {folder}.\nMake one: condense theory --out {folder}"
    return kept_in(folder, TheorySettings, "pairs", otherwise)


def losses(network: Classifier, images: Tensor, target: ImageSet, labels: Tensor, draw: ClassDraw, zero: bool) -> tuple[Tensor, Tensor]:
    """Feature matching and last-layer gradient matching of ``images`` (n, c, h, w), class by class, against real ones: two scalars.

    With ``zero`` the last layer is taken to be zero and without bias; otherwise it is that of ``network``.
    """
    features, real = network.embed(images), network.embed(target.inputs(draw.indices).to(images.dtype)).detach()
    logits, real_logits = network.classifier(features), network.classifier(real)
    if zero:
        logits, real_logits = torch.zeros_like(logits), torch.zeros_like(real_logits)
    of_features, of_gradients = images.new_zeros(()), images.new_zeros(())
    for row, label in enumerate(draw.classes):
        ours, theirs = labels == label, draw.class_index == row
        real_labels = torch.full((int(theirs.sum()),), label, device=images.device)
        of_features = of_features + squared_distance(real[theirs].mean(0), features[ours].mean(0))
        wanted = mean_last_layer_gradient(real[theirs], real_logits[theirs], real_labels).detach()
        of_gradients = of_gradients + squared_distance(wanted, mean_last_layer_gradient(features[ours], logits[ours], labels[ours]))
    return of_features, of_gradients


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: 1 where both put everything in the same order, -1 in the opposite one."""
    return float(spearman(np.asarray(first), np.asarray(second), np.ones((1, len(first))))[0])


def _of_network(settings: TheorySettings, data: Data, number: int, watch: Watch) -> list[dict[str, Any]]:
    """What is measured on one network: with a head of zeros, then after each number of epochs."""
    compute = settings.compute.resolve()
    real, test, rng = data.train.to(compute.device), data.test.to(compute.device), Rng(settings.seed).child("network", number)
    network = settings.network.build(real.shape, real.num_classes, rng.child("weights")).to(compute.device, compute.dtype)
    found: list[dict[str, Any]] = []

    def measure(epochs: int | str) -> None:
        zero = epochs == ZERO  # such a head answers by chance, so there is nothing to test
        right = None if zero else float(class_accuracies(SingleModel(network), test, compute.suitable_chunk(test.shape)).mean())
        network.train()
        pairs = [_pair(network, real, settings, rng.child("pair", pair), zero) for pair in range(settings.pairs)]
        of_features, of_gradients, cosines = map(list, zip(*pairs, strict=True))
        known = {"after": epochs, "accuracy": None if right is None else round(100 * right, 2)}
        numbers = {"rank_correlation": rank_correlation(of_features, of_gradients), "cosine": float(np.mean(cosines))}
        found.append({**known, **numbers, "feature_losses": of_features, "gradient_losses": of_gradients, "cosines": cosines})

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
    return found


def _pair(network: Classifier, real: ImageSet, settings: TheorySettings, rng: Rng, zero: bool) -> tuple[float, float, float]:
    """Both losses between two random subsets, and the cosine of their gradients in the pixels of the smaller one."""
    small = real.draw(settings.ipc, rng.child("small"))
    images = real.inputs(small.indices).to(next(network.parameters()).dtype).requires_grad_()
    large = real.draw(settings.batch_per_class, rng.child("large"))
    of_features, of_gradients = losses(network, images, real, real.labels[small.indices], large, zero)
    first, second = (torch.autograd.grad(loss, images, retain_graph=True)[0].flatten() for loss in (of_features, of_gradients))
    return float(of_features.detach()), float(of_gradients.detach()), float(torch.cosine_similarity(first, second, dim=0))


def _means(done: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Over networks: what was measured after each number of epochs."""
    means = []
    for of_all in zip(*done, strict=True):
        names = [name for name in ("accuracy", "rank_correlation", "cosine") if of_all[0][name] is not None]
        means.append({"after": of_all[0]["after"], **{name: round(float(np.mean([one[name] for one in of_all])), 4) for name in names}})
    return means
