"""Training and testing of many networks of one architecture, as many at a time as suit the device."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import torch

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.networks.base import NetworkSpec
from condensation.training.epoch_window import EpochWindow
from condensation.training.finished_networks import FinishedOfSet, GroupResult
from condensation.training.stacked import model_cache
from condensation.training.train import Recipe, tested, train_together


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A network to train: its training set and its random stream."""

    images: ImageSet | EpochWindow
    rng: Rng


def train_and_test(
    network: NetworkSpec,
    jobs: Sequence[TrainingJob],
    tests: Sequence[ImageSet],
    recipe: Recipe,
    compute: Compute,
    on_progress: OnProgress | None = None,
    finished: FinishedOfSet | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray], list[bool]]:
    """Train a network for each of ``jobs`` with the resolved ``compute``, and test it on all ``tests``.

    Jobs with sets of the same size and loss are trained together, in groups of similar size. ``on_progress`` counts all epochs. Groups
    in ``finished`` are not trained again, and the others are added to it. Return
    accuracies (jobs, classes) in [0, 1] and the confusion matrix, summed over the jobs, of each test set, and for each network whether
    its weights are finite.
    """
    kinds = [(job.images.seen, job.images.soft_labels.loss if job.images.soft_labels else None) for job in jobs]
    limit = compute.suitable_together(tests[0].shape, min(recipe.batch, max(size for size, _ in kinds)))
    accuracies = [np.empty((len(jobs), len(test.classes))) for test in tests]
    confusions = [np.zeros((len(test.classes), test.num_classes), dtype=np.int64) for test in tests]
    finite: list[bool] = []
    done, epochs = 0, len(jobs) * recipe.epochs
    with model_cache(network, tests[0].shape, tests[0].num_classes, compute) as models:
        while done < len(jobs):
            alike = len(list(takewhile(kinds[done].__eq__, kinds[done:])))
            batch = models.batch(math.ceil(alike / math.ceil(alike / limit)))
            group = jobs[done : done + batch.count]
            if earlier := finished and finished.get(done, len(group)):
                for rows, confusion, kept, matrix in zip(accuracies, confusions, earlier.accuracies, earlier.confusions, strict=True):
                    rows[done : done + len(group)] = kept
                    confusion += np.array(matrix, dtype=np.int64)
                finite += earlier.finite
                done += len(group)
                continue
            started = time.perf_counter()

            def on_epoch(epoch: int, before: int = done * recipe.epochs, count: int = len(group)) -> None:
                if on_progress:
                    on_progress(before + epoch * count, epochs)

            try:
                batch.reinitialize([job.rng.child("network") for job in group])
                train_together(batch, [job.images.decoded() for job in group], recipe, [job.rng.child("train") for job in group], on_epoch)
                chunk = max(1, (compute.chunk or compute.suitable_chunk(tests[0].shape)) // len(group))
                results = [tested(batch, test, chunk) for test in tests]
                for rows, confusion, (values, counts) in zip(accuracies, confusions, results, strict=True):
                    rows[done : done + len(group)] = values.numpy()
                    confusion += counts.numpy()
                finite += batch.are_finite()
                if finished:
                    finished.add(done, _result_of(results, finite[done:], time.perf_counter() - started))
                done += len(group)
            except torch.cuda.OutOfMemoryError:
                if len(group) == 1:
                    raise
                del batch
                models.release()
                limit = len(group) // 2
    return accuracies, confusions, finite


def _result_of(results: Sequence[tuple[torch.Tensor, torch.Tensor]], finite: Sequence[bool], seconds: float) -> GroupResult:
    """Return what `tested` gave for each test set as plain values; float64 is kept to the last bit."""
    accuracies = tuple(tuple(map(tuple, values.double().tolist())) for values, _ in results)
    confusions = tuple(tuple(map(tuple, counts.tolist())) for _, counts in results)
    return GroupResult(accuracies, confusions, tuple(finite), round(seconds, 3))
