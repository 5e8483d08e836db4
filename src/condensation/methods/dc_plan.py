"""Loops of DC, and the classes that it matches together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from condensation.core.class_plan import ClassPlan
from condensation.core.compute import Compute
from condensation.core.images import Shape
from condensation.matching.class_gradients import supports_vmap, trainable_parameters
from condensation.networks.base import Classifier

# Outer loops, and training epochs between them, by images per class. The last pair is the authors' advice, not published.
LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10), 100: (100, 2)}
GRADIENT_NUMBERS = 2**27  # gradient entries of all classes matched together on a GPU: half a gigabyte


@dataclass(frozen=True)
class DCPlan(ClassPlan):
    """Groups of classes that are matched together, which have equally many images, and the loops of all classes."""

    loops: tuple[int, int] = (1, 1)
    """Outer loops, and epochs between them."""

    def total(self, losses: Tensor) -> Tensor:
        """Return the mean over the outer loops of the sums over groups, from float64 (groups, loops)."""
        total = losses.new_zeros(losses.shape[1], dtype=self.compute.dtype)
        for loss in losses.to(total):
            total += loss
        return total.mean()


def loops_for(ipc: Mapping[int, int]) -> tuple[int, int]:
    """Return the outer loops, and the epochs between them, for ``ipc[label]`` images of each class.

    Both are interpolated linearly between the entries of `LOOPS` and rounded; beyond 100 images they are constant. If classes
    have different ipc, their mean is used, since training uses the whole set.
    """
    mean = sum(ipc.values()) / len(ipc)
    outer, inner = (round(float(np.interp(mean, list(LOOPS), column))) for column in zip(*LOOPS.values(), strict=True))
    return outer, inner


def group_size(at_a_time: int | None, network: Classifier, shape: Shape, per_class: int, compute: Compute) -> int:
    """Return the number of classes matched together, each with up to ``per_class`` seen images; ``at_a_time`` if given and possible."""
    count = at_a_time
    if count is None:
        if torch.device(compute.device).type == "cpu":
            return 1
        numbers = sum(parameter.numel() for parameter in trainable_parameters(network).values())
        count = max(1, min(compute.suitable_chunk(shape) // per_class, GRADIENT_NUMBERS // numbers))
    return count if count > 1 and supports_vmap(network, shape) else 1
