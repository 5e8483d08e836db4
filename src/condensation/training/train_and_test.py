"""Training and testing of many networks of one architecture, as many at a time as suit the device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import torch

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.training.stacked import ModelCache
from condensation.training.train import EpochWindow, Recipe, class_accuracies, train_together


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A network to train: its training set and its random stream."""

    images: ImageSet | EpochWindow
    rng: Rng


def train_and_test(
    models: ModelCache, jobs: Sequence[TrainingJob], tests: Sequence[ImageSet], recipe: Recipe, on_progress: OnProgress | None = None
) -> tuple[list[np.ndarray], list[bool]]:
    """Train a network for each of ``jobs``, and test it on all ``tests``.

    ``on_progress`` gets the finished and the total epochs over all networks.

    Returns:
        For each test set, the accuracy of each network on each class, (jobs, classes) in [0, 1]; and for each network whether its
        weights are finite.
    """
    compute = models.compute
    accuracies = [np.empty((len(jobs), len(test.classes))) for test in tests]
    finite: list[bool] = []
    done, epochs = 0, len(jobs) * recipe.epochs
    while done < len(jobs):
        batch = models.batch(_group_size([job.images for job in jobs[done:]], recipe, compute))
        group = jobs[done : done + batch.count]

        def on_epoch(epoch: int, before: int = done * recipe.epochs, count: int = len(group)) -> None:
            if on_progress:
                on_progress(before + epoch * count, epochs)

        try:
            batch.reinitialize([job.rng.child("network") for job in group])
            train_together(batch, [job.images for job in group], recipe, [job.rng.child("train") for job in group], on_epoch)
            chunk = max(1, (compute.chunk or compute.suitable_chunk(tests[0].shape)) // len(group))
            for rows, test in zip(accuracies, tests, strict=True):
                rows[done : done + len(group)] = class_accuracies(batch, test, chunk).numpy()
            finite += batch.are_finite()
        except torch.cuda.OutOfMemoryError:
            if len(group) == 1:
                raise
            models.release(batch)
            compute = replace(compute, together=len(group) // 2)
            continue
        done += len(group)
    return accuracies, finite


def _group_size(sets: Sequence[ImageSet | EpochWindow], recipe: Recipe, compute: Compute) -> int:
    """Return how many of the next networks train together: sets of one size and loss, in groups of even size."""
    size = len(sets[0])
    compatible = len(list(takewhile(lambda images: _kind(images) == _kind(sets[0]), sets)))
    limit = compute.suitable_together(sets[0].shape, min(size, recipe.batch))
    return math.ceil(compatible / math.ceil(compatible / limit))


def _kind(images: ImageSet | EpochWindow) -> tuple[int, str | None]:
    """Return what sets must share to train networks together: size and loss."""
    return len(images), images.soft_labels.loss if images.soft_labels else None
