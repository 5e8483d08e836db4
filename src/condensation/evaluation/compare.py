"""Evaluation of several sets in the same way: condensed sets, random real images, the whole training set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from condensation.core.compute import Compute
from condensation.core.environment import machine
from condensation.core.errors import CondensationError, require
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.data.dataset import Data
from condensation.evaluation.evaluate import Accuracies, check_fit, check_type, evaluate_on_each
from condensation.evaluation.scores import Scores, SetScore, TestImages
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.finished_networks import FinishedNetworks
from condensation.training.train import Recipe

if TYPE_CHECKING:
    from condensation.core.team import Team

MOST_COMPLETE, MOST_CONFUSED = 100, 5  # classes of a complete confusion matrix; predictions of each class if there are more


@dataclass(frozen=True)
class EvaluationSettings:
    """Evaluation of a set; see `condensation.evaluation.evaluate.evaluate`.

    >>> from condensation import EvaluationSettings, Recipe
    >>> EvaluationSettings(networks=20, recipe=Recipe.paper()).recipe.epochs
    1001
    """

    networks: int = 3
    """Networks trained on each set, each from a new initialization; 0: no evaluation."""
    network: NetworkSpec = ConvNet()
    """Architecture to train."""
    recipe: Recipe = Recipe()
    """Training recipe: ``clean``, ``paper``, ``cutmix``, ``quick``, or its settings."""

    def quick(self) -> EvaluationSettings:
        """Return a quick evaluation with the same network: about a minute on two cores, with random images of 32x32 beside the set."""
        return replace(self, networks=2, recipe=Recipe.quick())

    def __post_init__(self) -> None:
        check_type(self.network, NetworkSpec, "evaluation.network")
        check_type(self.recipe, Recipe, "evaluation.recipe")
        require(self, "evaluation", ("networks",), lambda value: 0 <= value <= 100_000, "from 0 to 100,000")

    def check(self, data: Data) -> None:
        """Check that the network and the augmentation accept the images of ``data``. Raise CondensationError if they do not."""
        if self.networks:
            self.network.build(data.test.shape, data.test.num_classes, Rng(0))
            if self.recipe.augmentation:
                images = data.train.inputs(slice(0, 2))
                self.recipe.augmentation.fit(data.train).per_image(len(images), Rng(0))(images, torch.arange(len(images)))


@dataclass(frozen=True)
class Entry:
    """A set to evaluate."""

    name: str
    images: ImageSet
    recipe: Recipe | None = None  # None: the common recipe
    test: ImageSet | None = None  # None: the common test set
    test_name: str = ""  # name of ``test``


def compare(
    entries: Sequence[Entry],
    data: Data,
    settings: EvaluationSettings,
    seed: int,
    compute: Compute,
    on_progress: OnProgress | None = None,
    team: Team | None = None,
    keep: Path | None = None,
) -> Scores:
    """Evaluate each entry on the test images of ``data`` or on its own test set.

    Finished networks are kept in the file ``keep``, and those of an equal evaluation that was interrupted are taken from it, unless a
    ``team`` evaluates. Test images get the preprocessing of the set. Raise CondensationError if an entry does not fit its test images.
    """
    tests = [replace(entry.test or data.test, preprocessing=entry.images.preprocessing) for entry in entries]
    for entry, test in zip(entries, tests, strict=True):  # check everything before the first training
        try:
            check_fit(entry.images, test)
        except CondensationError as error:
            raise CondensationError(f"{entry.name}: {error.message}", hint=error.hint, setting=error.setting) from None
    finished = FinishedNetworks(keep, _identity(entries, tests, settings, seed, compute)) if keep and team is None else None
    scores: dict[str, SetScore] = {}
    for number, (entry, test) in enumerate(zip(entries, tests, strict=True)):
        name = entry.name if entry.name not in scores else f"{entry.name} ({number + 1})"
        started = time.perf_counter()
        recipe, shifted = entry.recipe or settings.recipe, _shifted(on_progress, number, len(entries))
        of_set = finished.of_set(number) if finished else None
        before = of_set.seconds if of_set else 0.0
        (accuracies,) = evaluate_on_each(
            entry.images, [test], settings.network, recipe, settings.networks, seed, compute, shifted, team, of_set
        )
        scores[name] = _score(entry, accuracies, round(before + time.perf_counter() - started, 1), len(test))
    return Scores(
        sets=scores,
        test=None if any(entry.test for entry in entries) else TestImages(data.name, len(data.test)),
        seed=seed,
        evaluation=to_dict(settings),
        compute=to_dict(accuracies.compute if entries else compute),
        machine=machine(),
    )


def _identity(
    entries: Sequence[Entry], tests: Sequence[ImageSet], settings: EvaluationSettings, seed: int, compute: Compute
) -> dict[str, Any]:
    """Return everything that decides the accuracies."""
    sets = [[entry.images.fingerprint(), test.fingerprint(), entry.recipe] for entry, test in zip(entries, tests, strict=True)]
    return {"sets": sets, "evaluation": settings, "seed": seed, "compute": compute, "machine": machine()}


def _score(entry: Entry, accuracies: Accuracies, seconds: float, tested: int) -> SetScore:
    summary = accuracies.summary()
    return SetScore(
        images=len(entry.images),
        **{**summary, "values": tuple(map(tuple, summary["values"]))},
        text=str(accuracies),
        seconds=seconds,
        loss=entry.images.soft_labels.loss if entry.images.soft_labels else None,
        recipe=to_dict(entry.recipe) if entry.recipe else None,
        test=TestImages(entry.test_name, tested) if entry.test else None,
        confusion=_confusion(accuracies, entry.images.class_names),
    )


def _confusion(accuracies: Accuracies, predictions: Sequence[str]) -> dict[str, dict[str, int]] | None:
    """Return the number of test images of each class by prediction, the most frequent first; with many classes only those."""
    if accuracies.confusion is None:
        return None
    most = MOST_CONFUSED if len(predictions) > MOST_COMPLETE else len(predictions)
    rows = {}
    for name, counts in zip(accuracies.class_names, accuracies.confusion.tolist(), strict=True):
        order = sorted(range(len(counts)), key=lambda place: -counts[place])[:most]
        rows[name] = {predictions[place]: counts[place] for place in order if counts[place]}
    return rows


def _shifted(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    return on_progress and (lambda done, total: on_progress(number * total + done, count * total))
