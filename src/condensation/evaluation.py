"""One function judges every set, real or synthetic: train networks on it, and count what they get right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np
import torch

from condensation.compute import Compute
from condensation.errors import CondensationError
from condensation.images import ImageSet
from condensation.learners import Crew, crew_of
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.rng import Rng
from condensation.training import Recipe, class_accuracies, train_together
from condensation.wording import accuracy, counted

# Told, after each epoch, how many epochs are done and how many there are, over all networks.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Test accuracies in percent, of every network trained on every set."""

    values: np.ndarray  # (sets, networks)
    per_class: np.ndarray  # (sets, networks, classes)
    class_names: tuple[str, ...]  # of the classes of the test set
    recipe: Recipe
    network: NetworkSpec

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def deviation(self) -> float:
        """Over all networks of all sets at once, of the population: the one that papers print."""
        return float(self.values.std())

    @property
    def deviation_between_sets(self) -> float:
        """Of the sets' means: how far a method's result depends on its own seed."""
        return float(self.values.mean(1).std())

    @property
    def count(self) -> int:
        return self.values.size

    @property
    def class_means(self) -> dict[str, float]:
        """The mean accuracy of each class."""
        return dict(zip(self.class_names, self.per_class.mean((0, 1)).tolist(), strict=True))

    def summary(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {
            "mean": round(self.mean, 3),
            "deviation": round(self.deviation, 3),
            "deviation_between_sets": round(self.deviation_between_sets, 3),
            "count": self.count,
            "values": np.round(self.values, 3).tolist(),
            "per_class": {name: round(value, 2) for name, value in self.class_means.items()},
        }

    def __str__(self) -> str:
        sets, networks = self.values.shape
        return f"{accuracy(self.mean, self.deviation, self.count)} ({counted(sets, 'set')} x {counted(networks, 'network')})"


def evaluate(
    sets: ImageSet | Sequence[ImageSet],
    test: ImageSet,
    *,
    network: NetworkSpec = ConvNet(),
    recipe: Recipe = Recipe(),
    networks: int = 5,
    seed: int = 0,
    compute: Compute = Compute(),
    on_progress: OnProgress | None = None,
) -> Accuracies:
    """Train ``networks`` newly drawn networks on each of ``sets`` and count what they get right on ``test``.

    On a set with soft labels they are trained by the loss that these are for.

    ``test`` must be preprocessed like the sets. It decides nothing: what is counted is the network after its
    last epoch. Each network's numbers depend on ``seed`` and its place alone.

    Raises:
        CondensationError: if the sets and ``test`` differ in image shape, classes or preprocessing.
    """
    sets = [sets] if isinstance(sets, ImageSet) else list(sets)
    if networks < 1 or not sets:
        raise CondensationError(f"Asked to train {networks} networks on {len(sets)} sets; there must be at least one of each.")
    for one in sets:
        check_fit(one, test)
    compute = compute.chosen()
    test = test.to(compute.device)
    sets = [one.to(compute.device) for one in sets]
    # Where test images are many, they too make compiling pay.
    compute = compute.settled(test.shape, networks * (recipe.epochs * sum(map(len, sets)) + len(sets) * len(test)))
    with crew_of(network, test.shape, test.num_classes, compute) as crew:
        per_class = _judged(crew, sets, test, recipe, networks, seed, on_progress)
    weights = np.array(list(test.counts.values()))
    names = tuple(test.class_names[label] for label in test.classes)
    return Accuracies(np.average(per_class, axis=2, weights=weights), per_class, names, recipe, network)


def _judged(
    crew: Crew, sets: Sequence[ImageSet], test: ImageSet, recipe: Recipe, networks: int, seed: int, on_progress: OnProgress | None
) -> np.ndarray:
    """Percent right: (sets, networks, classes)."""
    compute = crew.compute
    per_class = np.empty((len(sets), networks, len(test.classes)))
    jobs = [(s, n) for s in range(len(sets)) for n in range(networks)]
    done, epochs = 0, len(jobs) * recipe.epochs
    while jobs:
        learners = crew.learners(_count_of_next(jobs, sets, recipe, compute))
        group = jobs[: learners.count]
        on_epoch = (lambda epoch, done=done, count=len(group): on_progress(done + epoch * count, epochs)) if on_progress else None
        rngs = [Rng(seed).child("evaluate", s, n) for s, n in group]
        try:
            learners.begin([rng.child("network") for rng in rngs])
            train_together(learners, [sets[s] for s, _ in group], recipe, [rng.child("train") for rng in rngs], on_epoch)
            chunk = max(1, (compute.chunk or compute.suitable_chunk(test.shape)) // len(group))
            accuracies = class_accuracies(learners, test, chunk)
        except torch.cuda.OutOfMemoryError:
            if len(group) == 1:
                raise
            crew.forget(learners)
            compute = replace(compute, together=len(group) // 2)
            continue
        for (s, n), of_network in zip(group, accuracies, strict=True):
            per_class[s, n] = 100 * of_network.numpy()
        done += len(group) * recipe.epochs
        jobs = jobs[len(group) :]
    return per_class


def _count_of_next(jobs: Sequence[tuple[int, int]], sets: Sequence[ImageSet], recipe: Recipe, compute: Compute) -> int:
    """How many of ``jobs`` (set, number) are to be done together: on sets of one size and for one loss, in even groups."""
    first = sets[jobs[0][0]]
    size = len(first)
    alike = len(list(takewhile(lambda job: _train_alike(sets[job[0]], first), jobs)))
    most = compute.suitable_together(sets[0].shape, min(size, recipe.batch))
    return math.ceil(alike / math.ceil(alike / most))


def _train_alike(one: ImageSet, other: ImageSet) -> bool:
    """Whether networks can go through the sets together."""
    return len(one) == len(other) and (one.soft_labels and one.soft_labels.loss) == (other.soft_labels and other.soft_labels.loss)


def check_fit(one: ImageSet, test: ImageSet) -> None:
    """Make sure that networks trained on ``one`` can be tested on ``test``.

    Raises:
        CondensationError: if they differ in image shape, classes or preprocessing.
    """
    if one.shape != test.shape:
        raise CondensationError(f"The set has images of {_times(one.shape)}, the test set of {_times(test.shape)}; they must be alike.")
    if one.class_names != test.class_names:
        raise CondensationError(
            f"The set has {one.num_classes} classes ({one.class_names[0]}, ...), "
            f"the test set {test.num_classes} ({test.class_names[0]}, ...)."
        )
    if one.preprocessing != test.preprocessing:
        raise CondensationError("The set and the test set are preprocessed differently; give the test set the preprocessing of the set.")


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
