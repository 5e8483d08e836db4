"""Judging several sets alike: condensed ones, random real images, the whole data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from condensation.core.compute import Compute
from condensation.core.environment import machine
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.data.dataset import Data
from condensation.evaluation.evaluate import Accuracies, check_fit, evaluate
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.training.train import Recipe


@dataclass(frozen=True)
class EvaluationSettings:
    """How a set is judged; see `condensation.evaluation.evaluate.evaluate`."""

    networks: int = 3  # newly drawn for each set; 0: no judging
    network: NetworkSpec = ConvNet()
    recipe: Recipe = Recipe()

    def __post_init__(self) -> None:
        if self.networks < 0:
            raise CondensationError(f"evaluation.networks is {self.networks}; it must be at least 1, or 0 for no judging.")

    def check(self, data: Data) -> None:
        """Find out before the work, not after it, that the network or the augmentation does not fit the images."""
        if self.networks:
            self.network.build(data.test.shape, data.test.num_classes, Rng(0))
            if self.recipe.augmentation:
                images = data.train.inputs(slice(0, 2))
                self.recipe.augmentation.fit(data.train).per_image(len(images), Rng(0))(images, torch.arange(len(images)))


@dataclass(frozen=True)
class Entry:
    """A set under judgement; ``recipe`` takes the place of the common one, ``test`` that of the common test images."""

    name: str
    images: ImageSet
    recipe: Recipe | None = None
    test: ImageSet | None = None
    tested_on: str = ""  # what ``test`` is called


def compare(
    entries: Sequence[Entry], data: Data, how: EvaluationSettings, seed: int, compute: Compute, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """The accuracies of each entry on the test images of ``data``, and all that must be known to repeat them, for JSON.

    Where entries have test images of their own, these are named beside each accuracy, and ``test`` is None.

    Raises:
        CondensationError: if an entry does not fit its test images.
    """
    scores: dict[str, Any] = {}
    # Test images are seen as the set's networks see theirs, whatever the data was loaded with.
    tests = [replace(entry.test or data.test, preprocessing=entry.images.preprocessing) for entry in entries]
    for entry, test in zip(entries, tests, strict=True):  # all of them before the first takes its time
        try:
            check_fit(entry.images, test)
        except CondensationError as problem:
            raise CondensationError(f"{entry.name}: {problem}") from None
    for number, (entry, test) in enumerate(zip(entries, tests, strict=True)):
        name = entry.name if entry.name not in scores else f"{entry.name} ({number + 1})"
        started = time.perf_counter()
        accuracies: Accuracies = evaluate(
            entry.images,
            test,
            network=how.network,
            recipe=entry.recipe or how.recipe,
            networks=how.networks,
            seed=seed,
            compute=compute,
            on_progress=_shifted(on_progress, number, len(entries)),
        )
        seconds = round(time.perf_counter() - started, 1)
        scores[name] = {"images": len(entry.images), **accuracies.summary(), "text": str(accuracies), "seconds": seconds}
        if entry.images.soft_labels:
            scores[name]["loss"] = entry.images.soft_labels.loss
        if entry.recipe:
            scores[name]["recipe"] = to_dict(entry.recipe)
        if entry.test:
            scores[name]["test"] = {"name": entry.tested_on, "images": len(test)}
    return {
        "sets": scores,
        "test": None if any(entry.test for entry in entries) else {"name": data.name, "images": len(data.test)},
        "seed": seed,
        "evaluation": to_dict(how),
        "compute": to_dict(compute.resolve()),
        "machine": machine(),
    }


def without_seconds(scores: Mapping[str, Any]) -> dict[str, Any]:
    """What the card of a set says: no clock, since the same work shall give the same file."""
    sets = {name: {key: value for key, value in score.items() if key != "seconds"} for name, score in scores["sets"].items()}
    return {**scores, "sets": sets}


def _shifted(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(number * total + done, count * total)
