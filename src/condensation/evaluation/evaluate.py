"""One function judges every set, real or synthetic: train networks on it, and count what they get right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.core.text import accuracy, counted
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.stacked import ModelCache, model_cache
from condensation.training.train import Recipe
from condensation.training.train_and_test import OnProgress, TrainingJob, train_and_test


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
    compute = compute.resolve()
    tests = [test.to(compute.device) for test in tests]
    sets = [one.to(compute.device) for one in sets]
    shape, classes = tests[0].shape, tests[0].num_classes
    # Where test images are many, they too make compiling pay.
    compute = compute.with_compile_decision(shape, networks * (recipe.epochs * sum(map(len, sets)) + len(sets) * sum(map(len, tests))))
    with model_cache(network, shape, classes, compute) as crew:
        found = _judged(crew, sets, tests, recipe, networks, seed, on_progress)
    return [_accuracies(test, per_class, recipe, network) for test, per_class in zip(tests, found, strict=True)]


def _accuracies(test: ImageSet, per_class: np.ndarray, recipe: Recipe, network: NetworkSpec) -> Accuracies:
    weights = np.array(list(test.counts.values()))
    names = tuple(test.class_names[label] for label in test.classes)
    return Accuracies(np.average(per_class, axis=2, weights=weights), per_class, names, recipe, network)


def _judged(
    crew: ModelCache,
    sets: Sequence[ImageSet],
    tests: Sequence[ImageSet],
    recipe: Recipe,
    networks: int,
    seed: int,
    on_progress: OnProgress | None,
) -> list[np.ndarray]:
    """Percent right, for each of ``tests``: (sets, networks, classes)."""
    trainings = [TrainingJob(one, Rng(seed).child("evaluate", s, n)) for s, one in enumerate(sets) for n in range(networks)]
    right, _ = train_and_test(crew, trainings, tests, recipe, on_progress)
    return [100 * of_test.reshape(len(sets), networks, -1) for of_test in right]


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
