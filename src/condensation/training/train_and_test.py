"""Networks trained and tested, as many together as suit the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import torch

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.training.stacked import ModelCache
from condensation.training.train import EpochWindow, Recipe, class_accuracies, train_together

# Told, after each epoch, how many epochs are done and how many there are, over all networks.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A network that is to be trained: on what, and the stream that decides all that is drawn for it."""

    images: ImageSet | EpochWindow
    rng: Rng


def train_and_test(
    crew: ModelCache, trainings: Sequence[TrainingJob], tests: Sequence[ImageSet], recipe: Recipe, on_progress: OnProgress | None = None
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


def _count_of_next(sets: Sequence[ImageSet | EpochWindow], recipe: Recipe, compute: Compute) -> int:
    """How many of the next networks are to be trained together: on ``sets`` of one size and for one loss, in even groups."""
    size = len(sets[0])
    alike = len(list(takewhile(lambda one: _train_alike(one, sets[0]), sets)))
    most = compute.suitable_together(sets[0].shape, min(size, recipe.batch))
    return math.ceil(alike / math.ceil(alike / most))


def _train_alike(one: ImageSet | EpochWindow, other: ImageSet | EpochWindow) -> bool:
    """Whether networks can go through the sets together."""
    return len(one) == len(other) and (one.soft_labels and one.soft_labels.loss) == (other.soft_labels and other.soft_labels.loss)
