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
from condensation.training import Passing, Recipe, class_accuracies, train_together
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
    (found,) = evaluate_on_each(
        sets,
        [test],
        network=network,
        recipe=recipe,
        networks=networks,
        seed=seed,
        compute=compute,
        on_progress=on_progress,
    )
    return found


def evaluate_on_each(
    sets: ImageSet | Sequence[ImageSet],
    tests: Sequence[ImageSet],
    *,
    network: NetworkSpec = ConvNet(),
    recipe: Recipe = Recipe(),
    networks: int = 5,
    seed: int = 0,
    compute: Compute = Compute(),
    on_progress: OnProgress | None = None,
) -> list[Accuracies]:
    """As `evaluate`, but every network, trained once, is tested on each of ``tests``: accuracies in their order."""
    sets = [sets] if isinstance(sets, ImageSet) else list(sets)
    if networks < 1 or not sets or not tests:
        raise CondensationError(f"Asked to train {networks} networks on {len(sets)} sets; there must be at least one of each.")
    for test in tests:
        for one in sets:
            check_fit(one, test)
    compute = compute.chosen()
    tests = [test.to(compute.device) for test in tests]
    sets = [one.to(compute.device) for one in sets]
    shape, classes = tests[0].shape, tests[0].num_classes
    # Where test images are many, they too make compiling pay.
    compute = compute.settled(shape, networks * (recipe.epochs * sum(map(len, sets)) + len(sets) * sum(map(len, tests))))
    with crew_of(network, shape, classes, compute) as crew:
        found = _judged(crew, sets, tests, recipe, networks, seed, on_progress)
    return [_accuracies(test, per_class, recipe, network) for test, per_class in zip(tests, found, strict=True)]


def _accuracies(test: ImageSet, per_class: np.ndarray, recipe: Recipe, network: NetworkSpec) -> Accuracies:
    weights = np.array(list(test.counts.values()))
    names = tuple(test.class_names[label] for label in test.classes)
    return Accuracies(np.average(per_class, axis=2, weights=weights), per_class, names, recipe, network)


def _judged(
    crew: Crew,
    sets: Sequence[ImageSet],
    tests: Sequence[ImageSet],
    recipe: Recipe,
    networks: int,
    seed: int,
    on_progress: OnProgress | None,
) -> list[np.ndarray]:
    """Percent right, for each of ``tests``: (sets, networks, classes)."""
    trainings = [Training(one, Rng(seed).child("evaluate", s, n)) for s, one in enumerate(sets) for n in range(networks)]
    right, _ = train_and_test(crew, trainings, tests, recipe, on_progress)
    return [100 * of_test.reshape(len(sets), networks, -1) for of_test in right]


@dataclass(frozen=True, eq=False)
class Training:
    """A network that is to be trained: on what, and the stream that decides all that is drawn for it."""

    images: ImageSet | Passing
    rng: Rng


def train_and_test(
    crew: Crew, trainings: Sequence[Training], tests: Sequence[ImageSet], recipe: Recipe, on_progress: OnProgress | None = None
) -> tuple[list[np.ndarray], list[bool]]:
    """Do all ``trainings`` of networks of one architecture, as many together as suit the device, and test each on all ``tests``.

    Returns:
        For each test set, the part of the images of each class that each network gets right, (trainings, classes) in [0, 1]; and
        of each network whether its weights are finite numbers.
    """
    compute = crew.compute
    right = [np.empty((len(trainings), len(test.classes))) for test in tests]
    finite: list[bool] = []
    left, epochs = list(trainings), len(trainings) * recipe.epochs
    while left:
        done = len(trainings) - len(left)
        learners = crew.learners(_count_of_next([one.images for one in left], recipe, compute))
        group = left[: learners.count]
        told = done * recipe.epochs
        on_epoch = (lambda epoch, told=told, count=len(group): on_progress(told + epoch * count, epochs)) if on_progress else None
        try:
            learners.begin([one.rng.child("network") for one in group])
            train_together(learners, [one.images for one in group], recipe, [one.rng.child("train") for one in group], on_epoch)
            chunk = max(1, (compute.chunk or compute.suitable_chunk(tests[0].shape)) // len(group))
            for of_test, test in zip(right, tests, strict=True):
                of_test[done : done + len(group)] = class_accuracies(learners, test, chunk).numpy()
            finite += learners.finite()
        except torch.cuda.OutOfMemoryError:
            if len(group) == 1:
                raise
            crew.forget(learners)
            compute = replace(compute, together=len(group) // 2)
            continue
        left = left[len(group) :]
    return right, finite


def _count_of_next(sets: Sequence[ImageSet | Passing], recipe: Recipe, compute: Compute) -> int:
    """How many of the next networks are to be trained together: on ``sets`` of one size and for one loss, in even groups."""
    size = len(sets[0])
    alike = len(list(takewhile(lambda one: _train_alike(one, sets[0]), sets)))
    most = compute.suitable_together(sets[0].shape, min(size, recipe.batch))
    return math.ceil(alike / math.ceil(alike / most))


def _train_alike(one: ImageSet | Passing, other: ImageSet | Passing) -> bool:
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
