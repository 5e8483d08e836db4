"""Herding (Welling, ICML 2009; as a coreset: Rebuffi et al., CVPR 2017)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.trained_selection import SelectionState, TrainedSelection, class_features


@dataclass(frozen=True)
class Herding(TrainedSelection):
    """Select, one by one, real images whose mean embedding in a trained network approximates that of their class.

    >>> from condensation import ConvNet, Herding, Recipe, condense, load
    >>> method = Herding(network=ConvNet(width=8), recipe=Recipe(epochs=1))
    >>> condense(method, load("digits").train, ipc=2).images.shape
    torch.Size([20, 1, 8, 8])
    """

    name: ClassVar[str] = "herding"

    def choose(self, state: SelectionState, real: ImageSet, label: int, count: int, rng: Rng) -> Tensor:
        return herd(class_features(state, real, label), count)


def herd(features: Tensor, count: int) -> Tensor:
    """Return indices (count,) of ``features`` (n, dims); each is nearest to (i + 1) * mean - sum of the i before; ties go to the first."""
    # For centered features, the target is minus the sum of the chosen.
    features = features - features.mean(0)
    lengths = features.square().sum(1)
    total = torch.zeros_like(features[0])
    used = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    for i in range(count):
        distances = lengths + 2 * (features @ total)  # squared, up to a constant
        nearest = distances.masked_fill(used, torch.inf).argmin()
        chosen[i] = nearest
        used[nearest] = True
        total = total + features[nearest]
    return chosen
