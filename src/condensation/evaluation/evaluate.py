"""Evaluation of sets, real or synthetic: train networks on a set, test them on real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, require_image_set
from condensation.core.notebook import accuracies_html
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.core.text import accuracy, counted
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.registry import NETWORKS
from condensation.training.finished_networks import FinishedOfSet
from condensation.training.train import Recipe
from condensation.training.train_and_test import TrainingJob, train_and_test

if TYPE_CHECKING:
    from condensation.core.team import Team

EXAMPLES = {
    NetworkSpec: 'ConvNet(), NETWORKS["resnet18"], or UserModule(MyModule) for a torch module',
    Recipe: "Recipe() or Recipe.paper()",
}


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Test accuracies in percent of each network trained on each set.

    >>> import numpy as np
    >>> from condensation import Accuracies, Compute, ConvNet, Recipe
    >>> values, per_class = np.array([[50.0, 52.0]]), np.array([[[40.0, 60.0], [44.0, 60.0]]])
    >>> accuracies = Accuracies(values, per_class, ("cat", "dog"), Recipe(), ConvNet(), Compute())
    >>> accuracies.mean, accuracies.deviation, accuracies.class_means
    (51.0, 1.0, {'cat': 42.0, 'dog': 60.0})
    """

    values: np.ndarray
    """Accuracy of each network, (sets, networks)."""
    per_class: np.ndarray
    """Accuracy of each network on each class, (sets, networks, classes)."""
    class_names: tuple[str, ...]
    """Classes of the test set."""
    recipe: Recipe
    """Training of the networks."""
    network: NetworkSpec
    """Architecture of the networks."""
    compute: Compute
    """Device and precision that were used, without "auto"."""
    confusion: np.ndarray | None = None
    """Number of test images of all networks by true class (rows) and predicted class (columns, all classes)."""

    @property
    def mean(self) -> float:
        """Mean over all networks of all sets."""
        return float(self.values.mean())

    @property
    def deviation(self) -> float:
        """Population standard deviation over all networks of all sets, as papers report it."""
        return float(self.values.std())

    @property
    def deviation_between_sets(self) -> float:
        """Population standard deviation of the sets' means: how much a method's result depends on its seed."""
        return float(self.values.mean(1).std())

    @property
    def count(self) -> int:
        """Number of networks."""
        return self.values.size

    @property
    def class_means(self) -> dict[str, float]:
        """Mean accuracy of each class."""
        return dict(zip(self.class_names, self.per_class.mean((0, 1)).tolist(), strict=True))

    def summary(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        means = {name: round(getattr(self, name), 3) for name in ("mean", "deviation", "deviation_between_sets")}
        per_class = {name: round(value, 2) for name, value in self.class_means.items()}
        return {**means, "count": self.count, "values": np.round(self.values, 3).tolist(), "per_class": per_class}

    def __repr__(self) -> str:
        return f"Accuracies({self}, {type(self.network).__name__}, {counted(self.recipe.epochs, 'epoch')})"

    def _repr_html_(self) -> str:
        return accuracies_html(f"Test accuracy, %: {self}", self.class_means)

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
    team: Team | None = None,
) -> Accuracies:
    """Train ``networks`` networks on what they see of each of ``sets`` and return their accuracies on ``test``.

    ``test`` must have the preprocessing of the sets. Networks are tested after their last epoch only, so ``test`` selects nothing.
    The soft labels of a set determine the loss. The random numbers of a network depend on ``seed`` and on its position only. Raise
    CondensationError if a set and ``test`` differ in image shape, classes or preprocessing. Processes of a ``team`` divide the networks.

    >>> from condensation import ConvNet, Random, Recipe, condense, evaluate, load
    >>> data = load("digits")
    >>> small = condense(Random(), data.train, ipc=1)
    >>> accuracies = evaluate(small, data.test, network=ConvNet(width=8), recipe=Recipe(epochs=1), networks=2)
    >>> accuracies.values.shape, accuracies.per_class.shape  # (sets, networks), (sets, networks, classes)
    ((1, 2), (1, 2, 10))
    """
    return evaluate_on_each(sets, [test], network, recipe, networks, seed, compute, on_progress, team)[0]


def evaluate_on_each(
    sets: ImageSet | Sequence[ImageSet],
    tests: Sequence[ImageSet],
    network: NetworkSpec,
    recipe: Recipe,
    networks: int,
    seed: int = 0,
    compute: Compute = Compute(),
    on_progress: OnProgress | None = None,
    team: Team | None = None,
    finished: FinishedOfSet | None = None,
) -> list[Accuracies]:
    """Train each network once, unless it is ``finished``, and test it on each of ``tests``; otherwise like `evaluate`."""
    sets = list(sets) if isinstance(sets, list | tuple) else [sets]  # type: ignore[list-item]
    for images in (*sets, *tests):
        require_image_set(images)
    check_type(network, NetworkSpec, "network")
    check_type(recipe, Recipe, "recipe")
    if networks < 1 or not sets or not tests:
        message = f"Expected at least one network, set and test set, got {networks}, {len(sets)} and {len(tests)}."
        raise CondensationError(message, setting="networks")
    for images, test in product(sets, tests):
        check_fit(images, test)
    most = recipe.epoch_images
    seen_per_epoch = sum(images.seen if most is None else min(most, images.seen) for images in sets)
    if team and compute.device in ("auto", "cuda"):
        compute = replace(compute, device=team.device)
    # Many test images make compiling worthwhile too.
    seen = networks * (recipe.epochs * seen_per_epoch + len(sets) * sum(map(len, tests)))
    decided = compute.with_compile_decision(tests[0].shape, seen)
    tests = [test.to(decided.device) for test in tests]
    sets = [images.to(decided.device) for images in sets]
    streams = [(images, Rng(seed).child("evaluate", s, n)) for s, images in enumerate(sets) for n in range(networks)]
    correct, confusions = _train_and_test(team, network, streams, tests, recipe, decided, on_progress, finished)
    results = []
    for test, fractions, confusion in zip(tests, correct, confusions, strict=True):
        per_class = 100 * fractions.reshape(len(sets), networks, -1)
        values = np.average(per_class, axis=2, weights=np.array(list(test.counts.values())))
        names = tuple(test.class_names[label] for label in test.classes)
        results.append(Accuracies(values, per_class, names, recipe, network, replace(decided, compile=compute.compile), confusion))
    return results


def _train_and_test(
    team: Team | None,
    network: NetworkSpec,
    streams: Sequence[tuple[ImageSet, Rng]],
    tests: Sequence[ImageSet],
    recipe: Recipe,
    compute: Compute,
    on_progress: OnProgress | None,
    finished: FinishedOfSet | None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the accuracies and confusion matrices of `train_and_test`; the processes of a ``team`` take turns in choosing a job."""
    jobs = [TrainingJob(recipe.set_for(images, rng), rng) for images, rng in streams]
    if team is None or team.size == 1:
        return train_and_test(network, jobs, tests, recipe, compute, on_progress, finished)[:2]
    own = range(team.rank, len(jobs), team.size)
    accuracies = [np.zeros((len(jobs), len(test.classes))) for test in tests]
    confusions = [np.zeros((len(test.classes), test.num_classes), dtype=np.int64) for test in tests]
    with team.failing_together():
        if own:
            values, confusions, _ = train_and_test(network, [jobs[number] for number in own], tests, recipe, compute, on_progress)
            for rows, some in zip(accuracies, values, strict=True):
                rows[own] = some
    every = [[team.sum(torch.from_numpy(part)).numpy() for part in parts] for parts in (accuracies, confusions)]
    return every[0], every[1]


def check_fit(images: ImageSet, test: ImageSet) -> None:
    """Raise CondensationError if ``images`` and ``test``, which networks are tested on, differ in image shape, classes or preprocessing."""
    if images.shape != test.shape:
        sizes = ["x".join(map(str, shape)) for shape in (images.shape, test.shape)]
        raise CondensationError(f"The set has images of {sizes[0]}, the test set of {sizes[1]}; they must be equal.")
    if images.class_names != test.class_names:
        ours, theirs = (f"{part.num_classes} classes ({part.class_names[0]}, ...)" for part in (images, test))
        raise CondensationError(f"The set has {ours}, the test set {theirs}; they must be the same.")
    if images.preprocessing != test.preprocessing:
        hint = "Give the test set the preprocessing of the set: dataclasses.replace(test, preprocessing=images.preprocessing)."
        raise CondensationError("The set and the test set have different preprocessing.", hint=hint)


def check_type(value: Any, kind: type, setting: str) -> None:
    """Check that the argument ``setting`` is of type ``kind``. Raise CondensationError if not; the hint suggests an object."""
    if isinstance(value, kind):
        return
    given = f"the class {value.__name__}" if isinstance(value, type) else repr(value)[:60]
    hint = f"Pass {EXAMPLES.get(kind, f'an object: {kind.__name__}(...)')}."
    if isinstance(value, type) and issubclass(value, kind):
        hint = f"Pass an object: {value.__name__}()."
    elif kind is NetworkSpec and isinstance(value, str) and value in NETWORKS:
        hint = f"Pass NETWORKS[{value!r}]."
    elif kind is Recipe and value == "paper":
        hint = "Pass Recipe.paper()."
    raise CondensationError(f"Expected {setting} of type {kind.__name__}, got {given}.", hint=hint, setting=setting)
