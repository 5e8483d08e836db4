"""Training on a curriculum: the batches of a set in fixed order, each step with its own learning rate and momentum."""

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
from condensation.networks.base import NetworkSpec
from condensation.training.meta_gradient import InnerBatch, initial_state, inner_step, swapped_weights
from condensation.training.stacked import SingleModel
from condensation.training.train import class_accuracies


@dataclass(frozen=True)
class Schedule:
    """Batch size, and the learning rate and momentum of SGD for each step. If there are more steps than batches, batches repeat.

    >>> from condensation import Schedule
    >>> Schedule.from_card({"schedule": {"batch": 10, "lr": [0.1, 0.05], "momentum": [0.5, 0.5]}}).lr
    (0.1, 0.05)
    """

    batch: int
    """Maximum number of images per batch."""
    lr: tuple[float, ...]
    """Learning rate of each step."""
    momentum: tuple[float, ...]
    """Momentum of each step."""

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Schedule:
        """Return the schedule on the ``card`` of a set. Raise CondensationError if there is none."""
        try:
            content = card["schedule"]
            schedule = cls(int(content["batch"]), *(tuple(map(float, content[name])) for name in ("lr", "momentum")))
            if schedule.lr and len(schedule.lr) == len(schedule.momentum):
                return schedule
        except (KeyError, TypeError, ValueError):
            pass
        raise CondensationError("The set has no training schedule; only sets made by gtn have one.", hint="Use evaluate() for other sets.")

    def to_card(self) -> dict[str, Any]:
        """Return the entry for a card, which `from_card` reads."""
        return {"batch": self.batch, "lr": list(self.lr), "momentum": list(self.momentum)}


def curriculum_order(counts: Sequence[int]) -> Tensor:
    """Return the training order (n,) of a set with ``counts`` images per class: in order within a class, the classes spread evenly."""
    position = torch.cat([(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in counts])
    return torch.argsort(position, stable=True)


def curriculum_batches(counts: Sequence[int], batch: int) -> list[Tensor]:
    """Return the image indices of each batch: as few batches of 2 to ``batch`` images as possible, of similar size."""
    order = curriculum_order(counts)
    count = max(1, min(math.ceil(len(order) / batch), len(order) // 2))
    ends = [number * len(order) // count for number in range(count + 1)]
    return [order[start:end] for start, end in pairwise(ends)]


@dataclass(frozen=True, eq=False)
class CurriculumResult:
    """Test accuracies in percent of networks that were trained on a curriculum, after some of the steps.

    >>> import numpy as np
    >>> from condensation import CurriculumResult
    >>> CurriculumResult(steps=(10, 20), images=(100, 200), values=np.array([[80.0, 90.0], [82.0, 92.0]])).mean
    91.0
    """

    steps: tuple[int, ...]
    """Steps after which the networks were tested."""
    images: tuple[int, ...]
    """Images that a network has trained on by then."""
    values: np.ndarray
    """Accuracy of each network after each of `steps`, (networks, len(steps))."""

    @property
    def mean(self) -> float:
        """Mean accuracy after the last step."""
        return float(self.values[:, -1].mean())

    @property
    def deviation(self) -> float:
        """Standard deviation after the last step."""
        return float(self.values[:, -1].std())

    def summary(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        over_all = {"mean": round(self.mean, 3), "deviation": round(self.deviation, 3), "count": len(self.values)}
        return {**over_all, "steps": list(self.steps), "images": list(self.images), "values": np.round(self.values, 3).tolist()}

    def __str__(self) -> str:
        count = len(self.values)
        training = f"{counted(self.steps[-1], 'step')}, {counted(self.images[-1], 'image')} in total"
        return f"{accuracy(self.mean, self.deviation, count)} ({counted(count, 'network')}, {training})"


def teach(
    curriculum: ImageSet,
    schedule: Schedule,
    network: NetworkSpec,
    test: ImageSet,
    *,
    networks: int = 5,
    seed: int = 0,
    at: Sequence[int] = (),
    compute: Compute = Compute(),
) -> CurriculumResult:
    """Train new networks on ``curriculum`` with ``schedule``, and test them after the last step and after the steps ``at``.

    The images are sorted by class, as in every set; `curriculum_order` gives the order of training. Raise CondensationError if ``networks``
    is below 1, or ``at`` names a step that does not exist.

    >>> from condensation import Random, Schedule, condense, load, teach
    >>> from condensation.networks.mlp import MLP
    >>> data = load("digits")
    >>> curriculum = condense(Random(), data.train, ipc=4)
    >>> schedule = Schedule(batch=20, lr=(0.1, 0.1), momentum=(0.5, 0.5))
    >>> teach(curriculum, schedule, MLP(width=8), data.test, networks=2).values.shape  # (networks, tested steps)
    (2, 1)
    """
    steps = len(schedule.lr)
    if networks < 1:
        raise CondensationError(f"Expected at least one network, got {networks}.", setting="networks")
    if any(not 0 <= step <= steps for step in at):
        raise CondensationError(f"Expected at to be steps from 0 to {steps}, got {list(at)}.", setting="at")
    compute = compute.resolve()
    curriculum, test = curriculum.to(compute.device), test.to(compute.device)
    batches = curriculum_batches(list(curriculum.counts.values()), schedule.batch)
    points = sorted({*at, steps})
    module = network.build(test.shape, test.num_classes, Rng(0)).to(compute.device, compute.dtype)
    chunk = compute.chunk or compute.suitable_chunk(test.shape)

    def accuracies(rng: Rng) -> list[float]:
        """Train a network and return its accuracy in percent after each step of ``points``."""
        module.redraw(rng.child("network"))
        state, values = initial_state(module), []
        for step in range(steps + 1):
            if step in points:
                with swapped_weights(module, state):
                    per_class = class_accuracies(SingleModel(module), test, chunk)[0].numpy()
                values.append(100 * float(np.average(per_class, weights=list(test.counts.values()))))
            if step < steps:
                indices = batches[step % len(batches)].to(curriculum.device)
                rates = torch.tensor([schedule.lr[step], schedule.momentum[step]], dtype=compute.dtype, device=curriculum.device)
                batch = InnerBatch(curriculum.inputs(indices).to(compute.dtype), curriculum.labels[indices], rates[0], rates[1])
                state = inner_step(module, state, batch, rng.child("dropout", step))
        return values

    values = np.array([accuracies(Rng(seed).child("teach", number)) for number in range(networks)])
    shown = np.cumsum([0, *(len(batches[step % len(batches)]) for step in range(steps))])
    return CurriculumResult(tuple(points), tuple(int(shown[step]) for step in points), values)
