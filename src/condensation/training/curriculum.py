"""Lessons learned as they are meant: once, in their order, each as fast as was learned for it; and what a learner then knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.core.text import accuracy, counted
from condensation.networks.base import Classifier, NetworkSpec
from condensation.training.meta_gradient import InnerBatch, beginning, inner_step, swapped_weights
from condensation.training.stacked import SingleModel
from condensation.training.train import class_accuracies


@dataclass(frozen=True)
class Schedule:
    """How a set is learned from: in lessons of ``batch`` images at most, a rate and a momentum of SGD for each step.

    Where there are more steps than lessons, the lessons are gone through again.
    """

    batch: int
    lr: tuple[float, ...]
    momentum: tuple[float, ...]

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Schedule:
        """The schedule on the ``card`` of a set.

        Raises:
            CondensationError: if it has none.
        """
        try:
            content = card["schedule"]
            made = cls(int(content["batch"]), *(tuple(map(float, content[name])) for name in ("lr", "momentum")))
            if made.lr and len(made.lr) == len(made.momentum):
                return made
        except (KeyError, TypeError, ValueError):
            pass
        raise CondensationError("The set has no schedule to be learned by.\nSets of gtn have one; judge others with `condense evaluate`.")

    def plain(self) -> dict[str, Any]:
        """For a card, from which `from_card` reads it."""
        return {"batch": self.batch, "lr": list(self.lr), "momentum": list(self.momentum)}


def lesson_order(counts: Sequence[int]) -> Tensor:
    """The places in a set sorted by class, with ``counts`` of images, in the order in which they are taught: (n,).

    The images of each class keep their order and are spread evenly, so that classes take turns where they are equal in number.
    """
    when = torch.cat([(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in counts])
    return torch.argsort(when, stable=True)


def lessons_of(counts: Sequence[int], batch: int) -> list[Tensor]:
    """The places of the images of each lesson: as few lessons as hold ``batch`` at most, alike in size, of two images or more."""
    order = lesson_order(counts)
    count = max(1, min(math.ceil(len(order) / batch), len(order) // 2))
    ends = [number * len(order) // count for number in range(count + 1)]
    return [order[start:end] for start, end in pairwise(ends)]


@dataclass(frozen=True, eq=False)
class Taught:
    """Test accuracies in percent of learners that saw lessons alone, after some of the steps."""

    steps: tuple[int, ...]
    images: tuple[int, ...]  # seen by then
    values: np.ndarray  # (networks, len(steps))

    @property
    def mean(self) -> float:
        """After the last step."""
        return float(self.values[:, -1].mean())

    @property
    def deviation(self) -> float:
        return float(self.values[:, -1].std())

    def summary(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {
            "mean": round(self.mean, 3),
            "deviation": round(self.deviation, 3),
            "count": len(self.values),
            "steps": list(self.steps),
            "images": list(self.images),
            "values": np.round(self.values, 3).tolist(),
        }

    def __str__(self) -> str:
        count = len(self.values)
        learned = f"{counted(self.steps[-1], 'step')} of {counted(self.images[-1], 'image')} in all"
        return f"{accuracy(self.mean, self.deviation, count)} ({counted(count, 'network')}, {learned})"


def teach(
    lessons: ImageSet,
    schedule: Schedule,
    network: NetworkSpec,
    test: ImageSet,
    *,
    networks: int = 5,
    seed: int = 0,
    at: Sequence[int] = (),
    compute: Compute = Compute(),
) -> Taught:
    """Teach ``networks`` newly drawn networks ``lessons`` by ``schedule``, and count what they get right on ``test``.

    Counted after the last step, and after each of the steps ``at``; it decides nothing. ``lessons`` are sorted by class, as every set is;
    their order in the course follows from it, see `lesson_order`.

    Raises:
        CondensationError: if there is no network to teach, or there are no such steps.
    """
    steps = len(schedule.lr)
    if networks < 1 or any(not 0 <= step <= steps for step in at):
        raise CondensationError(f"Asked for {networks} networks, and steps {list(at)} of {steps}.\nThere must be at least one network.")
    compute = compute.resolve()
    lessons, test = lessons.to(compute.device), test.to(compute.device)
    pieces = lessons_of(list(lessons.counts.values()), schedule.batch)
    points = sorted({*at, steps})
    module = network.build(test.shape, test.num_classes, Rng(0)).to(compute.device, compute.dtype)
    chunk = compute.chunk or compute.suitable_chunk(test.shape)
    values = np.empty((networks, len(points)))
    for number in range(networks):
        rng = Rng(seed).child("teach", number)
        values[number] = _course(module, lessons, pieces, schedule, test, points, chunk, rng)
    seen = np.cumsum([0, *(len(pieces[step % len(pieces)]) for step in range(steps))])
    return Taught(tuple(points), tuple(int(seen[step]) for step in points), values)


def _course(
    module: Classifier,
    lessons: ImageSet,
    pieces: Sequence[Tensor],
    schedule: Schedule,
    test: ImageSet,
    points: Sequence[int],
    chunk: int,
    rng: Rng,
) -> list[float]:
    """The accuracy of one learner after each of ``points``."""
    module.redraw(rng.child("network"))
    progress, found, judge = beginning(module), [], SingleModel(module)
    weights = torch.tensor(list(test.counts.values()), dtype=torch.float64)
    dtype = next(iter(progress.weights.values())).dtype
    for step in range(len(schedule.lr) + 1):
        if step in points:
            with swapped_weights(module, progress):
                right = class_accuracies(judge, test, chunk)[0]
            found.append(100 * float((right * weights).sum() / weights.sum()))
        if step == len(schedule.lr):
            break
        places = pieces[step % len(pieces)].to(lessons.device)
        rates = torch.tensor([schedule.lr[step], schedule.momentum[step]], dtype=dtype, device=lessons.device)
        lesson = InnerBatch(lessons.inputs(places).to(dtype), lessons.labels[places], rates[0], rates[1])
        progress = inner_step(module, progress, lesson, rng.child("dropout", step))
    return found
