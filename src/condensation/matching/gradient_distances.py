"""How far apart two gradients of a network's loss are: pure functions of lists with a tensor for each parameter.

Each gives a scalar, the same either way round, and can be differentiated with respect to both, or mapped over classes by
`torch.func.vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Gradient = Sequence[Tensor]  # of the loss with respect to each parameter, in the parameter's shape
Distance = Callable[[Gradient, Gradient], Tensor]
DistanceName = Literal["ours", "mse", "cos"]

# Added to the product of two norms, so that a gradient of zero has similarity 0 to all others.
EPSILON = 1e-6


def layerwise_cosine(real: Gradient, synthetic: Gradient) -> Tensor:
    """One minus the cosine of each output's weights, summed over outputs and layers (Zhao et al., ICLR 2021).

    The weights of an output are a row: convolutions (out, in, kh, kw) are taken as (out, in * kh * kw), linear layers
    (out, in) as they are, layer norms (c, h, w) as (c, h * w). Parameters of one dimension (biases, scales and shifts of
    other norms) do not count.
    """
    total = _zero(real)
    for one, other in zip(real, synthetic, strict=True):
        if one.ndim > 1:
            one, other = one.flatten(1), other.flatten(1)
            total = total + (1 - (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1) + EPSILON)).sum()
    return total


def squared_difference(real: Gradient, synthetic: Gradient) -> Tensor:
    """The squared Euclidean distance of all parameters: a sum, not a mean."""
    total = _zero(real)
    for one, other in zip(real, synthetic, strict=True):
        total = total + (one - other).square().sum()
    return total


def global_cosine(real: Gradient, synthetic: Gradient) -> Tensor:
    """One minus the cosine of all parameters taken as one vector."""
    one, other = (torch.cat([part.flatten() for part in gradient]) for gradient in (real, synthetic))
    similarity: Tensor = (one * other).sum() / (one.norm() * other.norm() + EPSILON)
    return 1 - similarity


def _zero(gradient: Gradient) -> Tensor:
    return gradient[0].new_zeros(())


# By the names that they have in the published code.
DISTANCES: dict[DistanceName, Distance] = {"ours": layerwise_cosine, "mse": squared_difference, "cos": global_cosine}
