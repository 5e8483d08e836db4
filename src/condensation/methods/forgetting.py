"""Forgetting (Toneva et al., ICLR 2019) as a selection method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.base import need_one_of
from condensation.methods.trained_selection import SelectionState, TrainedSelection
from condensation.training.train import Recipe

NeverRight = Literal["counted", "first"]


@dataclass(frozen=True)
class Forgetting(TrainedSelection):
    """The real images of each class that a network forgot most often while it was trained.

    An image is forgotten when it is classified wrongly after it was classified rightly when last seen; both are taken from its
    batches, augmented and before they are learned from (Toneva et al., 2019, algorithm 1). Images that were never right were
    never forgotten: papers on condensation count turns alone. Toneva et al. take them for the most forgotten, which is
    ``never_right="first"``. Among equals a random stream of the class decides.
    """

    name: ClassVar[str] = "forgetting"
    recipe: Recipe = Recipe(epochs=20)  # longer than for an embedding: an image can be forgotten in every other epoch at most
    never_right: NeverRight = "counted"  # as not forgotten, or first of all

    def __post_init__(self) -> None:
        need_one_of(self, "never_right", get_args(NeverRight))

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> SelectionState:
        state = super().init(real, ipc, rng, compute)
        state.record = {
            "right": torch.zeros(len(real), dtype=torch.bool, device=real.device),  # when last seen
            "learned": torch.zeros(len(real), dtype=torch.bool, device=real.device),  # right at least once
            "forgotten": torch.zeros(len(real), dtype=torch.int64, device=real.device),  # how often
        }
        return state

    def watch(self, state: SelectionState, real: ImageSet, places: Tensor, logits: Tensor) -> None:
        right = logits.argmax(1) == real.labels[places]
        state.record["forgotten"][places] += state.record["right"][places] & ~right
        state.record["learned"][places] |= right
        state.record["right"][places] = right

    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        of_class = slice(real.starts[label], real.starts[label] + real.counts[label])
        times = state.record["forgotten"][of_class]
        if self.never_right == "first":
            times = times.masked_fill(~state.record["learned"][of_class], torch.iinfo(times.dtype).max)
        return most_forgotten(times, count, rng)


def most_forgotten(forgotten: Tensor, count: int, rng: Rng) -> Tensor:
    """Places (count,) of the images forgotten most often, ``forgotten`` (n,) times; ``rng`` decides the order of equals."""
    times = forgotten.cpu().numpy()
    mixed = rng.permutation(len(times)).numpy()
    order = mixed[np.argsort(times[mixed], kind="stable")[::-1]]  # ascending and turned round: no number is its own negative
    return torch.from_numpy(order[:count].copy()).to(forgotten.device)
