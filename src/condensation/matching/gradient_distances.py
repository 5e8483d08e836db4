"""Distances between two gradients of a network's loss, given as lists with one tensor per parameter.

Each is a symmetric, differentiable scalar function, and can be mapped over classes by `torch.func.vmap`.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Gradient = Sequence[Tensor]  # with respect to each parameter, in the parameter's shape
Distance = Callable[[Gradient, Gradient], Tensor]
DistanceName = Literal["ours", "mse", "cos"]

EPSILON = 1e-6  # added to the product of two norms, so that a zero gradient has similarity 0 to all others


def layerwise_cosine(real: Gradient, synthetic: Gradient) -> Tensor:
    """Return 1 - cosine for the weights of each output, summed over outputs and layers (Zhao et al., ICLR 2021).

    Weights are flattened to (out, ...), layer norms (c, h, w) to (c, h * w). Parameters of one dimension are ignored.
    """
    total = real[0].new_zeros(())
    for x, y in zip(real, synthetic, strict=True):
        if x.ndim > 1:
            x, y = x.flatten(1), y.flatten(1)
            total = total + (1 - (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1) + EPSILON)).sum()
    return total


def squared_difference(real: Gradient, synthetic: Gradient) -> Tensor:
    """Return the squared Euclidean distance over all parameters: a sum, not a mean."""
    total = real[0].new_zeros(())
    for x, y in zip(real, synthetic, strict=True):
        total = total + (x - y).square().sum()
    return total


def global_cosine(real: Gradient, synthetic: Gradient) -> Tensor:
    """Return 1 - cosine of all parameters as one vector."""
    x, y = (torch.cat([part.flatten() for part in gradient]) for gradient in (real, synthetic))
    similarity: Tensor = (x * y).sum() / (x.norm() * y.norm() + EPSILON)
    return 1 - similarity


# The names are those of the published code.
DISTANCES: dict[DistanceName, Distance] = {"ours": layerwise_cosine, "mse": squared_difference, "cos": global_cosine}
