"""Greedy k-center (Gonzalez, 1985; as a coreset: Sener & Savarese, ICLR 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.trained_selection import SelectionState, TrainedSelection, class_features


@dataclass(frozen=True)
class KCenter(TrainedSelection):
    """Real images such that none of the class is far from all of them in the embedding of a trained network."""

    name: ClassVar[str] = "k-center"

    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        return centers(class_features(state, real, label), count)


def centers(features: Tensor, count: int) -> Tensor:
    """Places (count,) in ``features`` (n, dims): the nearest to their mean, then always the farthest from all those chosen.

    Distances are Euclidean. Of equals the first is taken.
    """
    nearest_center = torch.full_like(features[:, 0], torch.inf)
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    place = (features - features.mean(0)).square().sum(1).argmin()
    for i in range(count):
        chosen[i] = place
        nearest_center = torch.minimum(nearest_center, (features - features[place]).square().sum(1))
        nearest_center[place] = -1  # never again, even where all others are copies of centers
        place = nearest_center.argmax()
    return chosen
