"""Greedy k-center (Gonzalez, 1985; as a coreset: Sener & Savarese, ICLR 2018)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.trained_selection import SelectionState, TrainedSelection, class_features


@dataclass(frozen=True)
class KCenter(TrainedSelection):
    """Select real images that cover their class: no image is far from all of them in the embedding of a trained network.

    >>> from condensation import ConvNet, KCenter, Recipe, condense, load
    >>> method = KCenter(network=ConvNet(width=8), recipe=Recipe(epochs=1))
    >>> condense(method, load("digits").train, ipc=2).images.shape
    torch.Size([20, 1, 8, 8])
    """

    name: ClassVar[str] = "k-center"

    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        return greedy_centers(class_features(state, real, label), count)


def greedy_centers(features: Tensor, count: int) -> Tensor:
    """Return indices (count,) of ``features`` (n, dims): the nearest to the mean, then each farthest from all before; first of ties."""
    to_center = torch.full_like(features[:, 0], torch.inf)
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    index = (features - features.mean(0)).square().sum(1).argmin()
    for i in range(count):
        chosen[i] = index
        to_center = torch.minimum(to_center, (features - features[index]).square().sum(1))
        to_center[index] = -1  # never chosen again, even if all others are copies of centers
        index = to_center.argmax()
    return chosen
