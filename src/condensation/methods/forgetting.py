"""Forgetting (Toneva et al., ICLR 2019) as a selection method."""

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
    """Select the real images of each class that a network forgets most often while it trains.

    An image is forgotten when it is misclassified but was classified correctly at its previous prediction. Predictions come from the
    training batches, augmented and before the update (Toneva et al., 2019, algorithm 1). Ties are broken at random.

    >>> from condensation import ConvNet, Forgetting, Recipe, condense, load
    >>> method = Forgetting(network=ConvNet(width=8), recipe=Recipe(epochs=1))
    >>> condense(method, load("digits").train, ipc=2).images.shape
    torch.Size([20, 1, 8, 8])
    """

    name: ClassVar[str] = "forgetting"
    recipe: Recipe = Recipe(epochs=20)
    """Training of the network; more epochs than for an embedding, as an image is forgotten at most every other epoch."""
    never_right: NeverRight = "counted"
    """Images never classified correctly: ``counted`` as never forgotten (papers on condensation), or selected ``first`` (Toneva et al.)."""

    def __post_init__(self) -> None:
        need_one_of(self, "never_right", get_args(NeverRight))

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> SelectionState:
        state = super().init(real, ipc, rng, compute)
        state.record = {
            "right": torch.zeros(len(real), dtype=torch.bool, device=real.device),  # at the last prediction
            "learned": torch.zeros(len(real), dtype=torch.bool, device=real.device),  # correct at least once
            "forgotten": torch.zeros(len(real), dtype=torch.int64, device=real.device),  # number of times
        }
        return state

    def observe(self, state: SelectionState, real: ImageSet, indices: Tensor, logits: Tensor) -> None:
        right = logits.argmax(1) == real.labels[indices]
        state.record["forgotten"][indices] += state.record["right"][indices] & ~right
        state.record["learned"][indices] |= right
        state.record["right"][indices] = right

    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        in_class = slice(real.starts[label], real.starts[label] + real.counts[label])
        times = state.record["forgotten"][in_class]
        if self.never_right == "first":
            times = times.masked_fill(~state.record["learned"][in_class], torch.iinfo(times.dtype).max)
        return most_forgotten(times, count, rng)


def most_forgotten(forgotten: Tensor, count: int, rng: Rng) -> Tensor:
    """Return the indices (count,) of the largest of ``forgotten`` (n,), most often forgotten first; ``rng`` breaks ties."""
    times = forgotten.cpu().numpy()
    shuffled = rng.permutation(len(times)).numpy()
    order = shuffled[np.argsort(times[shuffled], kind="stable")[::-1]]
    return torch.from_numpy(order[:count].copy()).to(forgotten.device)
