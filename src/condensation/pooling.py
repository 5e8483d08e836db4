"""Pools of networks are made by training some with a part of the images, and keeping what they are like on the way.

What is published is that embeddings were taken from networks sorted by validation accuracy (Zhao & Bilen, 2023, supplement); how many
there were and how they were trained is not, so the numbers here are ours. No test image is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from condensation.artifact import versions
from condensation.checkpoint import difference
from condensation.compute import Compute, capability
from condensation.errors import CondensationError
from condensation.images import ImageSet
from condensation.learners import Alone, crew_of
from condensation.networks.base import NetworkSpec
from condensation.networks.pools import ABOUT, Shelf, Snapshot, between, described, identity
from condensation.rng import Rng
from condensation.settings import plain
from condensation.storage import remove_unfinished
from condensation.training import Recipe, class_accuracies, optimizer_of, train_epoch

# Told of batches: how many are done, and how many there are.
OnProgress = Callable[[int, int], None]
# Told before each network: its number from 0, how many there are, and whether it is there already.
OnNetwork = Callable[[int, int, bool], None]


@dataclass(frozen=True)
class PoolRecipe:
    """How the networks of a pool are trained, and which of their states are kept."""

    networks: int = 20  # trained, each from weights of its own
    recipe: Recipe = Recipe(epochs=10, augmentation=None)
    validation: float = 0.1  # of the images of each class, at random: kept from training, and what accuracies are measured on
    bounds: tuple[float, ...] = (10, 20, 30, 40, 50, 60, 70)  # of validation accuracies in percent: 10-20, ..., 70+
    per_bucket: int = 3  # states that are kept of one network between two bounds, at most
    growth: float = 1.2  # a network is looked at after 1, 2, 3, ... batches, each time this much later than the time before
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("networks", "per_bucket"):
            if getattr(self, name) < 1:
                raise CondensationError(f"A pool's {name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 < self.validation < 1:
            raise CondensationError(f"A pool's validation is {self.validation}; it must lie between 0 and 1.")
        if not self.growth > 1:
            raise CondensationError(f"A pool's growth is {self.growth}; it must be above 1.")
        if not self.bounds or min(self.bounds) < 0 or list(self.bounds) != sorted(set(self.bounds)):
            said = ",".join(f"{bound:g}" for bound in self.bounds) or "none"
            raise CondensationError(f"A pool's bounds are {said}; they must be percentages that grow, such as 10,20,30.")

        object.__setattr__(self, "bounds", tuple(map(float, self.bounds)))  # written in one way, so that equal settings are equal

    def batches(self, training: ImageSet) -> int:
        """How many a network learns from."""
        return self.recipe.epochs * math.ceil(len(training) / self.recipe.batch)

    def looks(self, batches: int) -> set[int]:
        """After how many of ``batches`` a network is looked at: often at first, where accuracies change fast, and after the last."""
        steps, step = {batches}, 1
        while step < batches:
            steps.add(step)
            step = max(step + 1, math.ceil(step * self.growth))
        return steps


def make_pool(
    network: NetworkSpec,
    real: ImageSet,
    folder: str | Path,
    how: PoolRecipe = PoolRecipe(),
    *,
    compute: Compute = Compute(),
    on_network: OnNetwork | None = None,
    on_progress: OnProgress | None = None,
) -> Shelf:
    """Train what is missing of a pool in ``folder``: networks are kept one by one, and the same again trains none.

    Each network depends on the images, the settings and its number alone. Whoever is told may raise `Stopped`; the network under
    training is then lost, and those that are finished are kept.

    Raises:
        CondensationError: if the folder holds another pool, or a class has too few images to be split.
    """
    folder, compute = Path(folder), compute.chosen()
    training, validation = held_out(real, how.validation, Rng(how.seed).child("validation"))
    network.build(real.shape, real.num_classes, Rng(0))  # that it does not fit is found out before a folder is made
    shelf = _claimed(network, real, folder, how)
    remove_unfinished(folder)
    missing = shelf.missing()
    training, validation = training.to(compute.device), validation.to(compute.device)
    looks = len(how.looks(how.batches(training)))
    compute = compute.settled(real.shape, len(missing) * (how.recipe.epochs * len(training) + looks * len(validation)))
    with crew_of(network, real.shape, real.num_classes, compute) as crew:  # one module, so that it is compiled once
        learner = crew.learners(1)
        assert isinstance(learner, Alone)
        for number in range(how.networks):
            if on_network:
                on_network(number, how.networks, number not in missing)
            if number in missing:
                shelf.add(number, snapshots_of(learner, training, validation, how, number, compute, on_progress))
    return shelf


def held_out(real: ImageSet, share: float, rng: Rng) -> tuple[ImageSet, ImageSet]:
    """``real`` without ``share`` of each class, and that part: at least one image of each class in both.

    Raises:
        CondensationError: if a class has but one image.
    """
    for label, count in real.counts.items():
        if count < 2:
            raise CondensationError(f"Class {real.class_names[label]!r} has one image, so none can be kept from training.\nAdd images.")
    counts = {label: min(count - 1, max(1, round(share * count))) for label, count in real.counts.items()}
    chosen = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    chosen[real.draw(counts, rng).indices] = True
    return real.take((~chosen).nonzero().squeeze(1)), real.take(chosen.nonzero().squeeze(1))


def snapshots_of(
    learner: Alone,
    training: ImageSet,
    validation: ImageSet,
    how: PoolRecipe,
    number: int,
    compute: Compute,
    on_progress: OnProgress | None = None,
) -> list[Snapshot]:
    """Train the network with this number anew and return what is kept of it, in the order of its steps; looking at it changes nothing."""
    rng, recipe, batches = Rng(how.seed).child("network", number), how.recipe, how.batches(training)
    looks, kept = how.looks(batches), _Kept(how, rng.child("keep"))
    chunk = compute.chunk or compute.suitable_chunk(validation.shape)
    counts = np.array(list(validation.counts.values()))
    step = 0

    def look() -> None:
        accuracy = 100 * float(np.average(class_accuracies(learner, validation, chunk)[0].numpy(), weights=counts))
        learner.train(True)
        weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in learner.network.state_dict().items()}
        if all(bool(tensor.isfinite().all()) for tensor in weights.values()):  # a network that was lost embeds nothing
            kept.offer(Snapshot(step, round(accuracy, 3), weights))

    def before_batch(places: Tensor, logits: Tensor) -> None:
        nonlocal step
        if step in looks:
            look()
        if on_progress:
            on_progress(step, batches)
        step += 1

    learner.begin([rng.child("weights")])
    learner.train(True)
    optimizer = optimizer_of(learner, recipe)
    for epoch in range(recipe.epochs):
        optimizer, _ = train_epoch(learner, [training], recipe, [rng.child("train")], optimizer, epoch, before_batch)
    optimizer.zero_grad()  # the module is for the next
    look()
    if on_progress:
        on_progress(batches, batches)
    return kept.all()


class _Kept:
    """What is kept of one network: in each bucket a random few of its states, whatever their number (reservoir sampling)."""

    def __init__(self, how: PoolRecipe, rng: Rng) -> None:
        self._most, self._rng = how.per_bucket, rng
        self._buckets = between(how.bounds)
        self._seen = [0] * len(self._buckets)
        self._chosen: list[list[Snapshot]] = [[] for _ in self._buckets]

    def offer(self, one: Snapshot) -> None:
        for place, bucket in enumerate(self._buckets):
            if one.accuracy in bucket:
                chosen, self._seen[place] = self._chosen[place], self._seen[place] + 1
                if len(chosen) < self._most:
                    chosen.append(one)
                    return
                other = int(self._rng.child(place, self._seen[place]).generator().integers(self._seen[place]))
                if other < self._most:
                    chosen[other] = one

    def all(self) -> list[Snapshot]:
        return sorted((one for chosen in self._chosen for one in chosen), key=lambda one: one.step)


def _claimed(network: NetworkSpec, real: ImageSet, folder: Path, how: PoolRecipe) -> Shelf:
    """The pool in ``folder``: a new one, or what is there of this very pool."""
    if folder.exists() and not folder.is_dir():
        raise CondensationError(f"{folder} is a file; a pool needs a folder.")
    about = {
        "recipe": plain(how),
        "network": plain(network),
        "spec": described(network),
        "networks": how.networks,
        "bounds": list(how.bounds),
        "data": identity(real),
        "versions": versions(),
        "machine": capability(),
    }
    if not (folder / ABOUT).exists():
        if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise CondensationError(f"{folder} is not empty and holds no pool.\nChoose another folder.")
        return Shelf.begin(folder, about)
    shelf = Shelf.at(folder)
    for name in ("network", "recipe", "data"):
        differing = difference(shelf.about.get(name), about[name], name)
        if differing:
            raise CondensationError(f"{folder} holds another pool: {differing}.\nChoose another folder, or take the same settings.")
    return shelf


__all__ = ["PoolRecipe", "held_out", "make_pool", "snapshots_of"]
