"""How far apart two distributions are by their means: pure functions of features.

With the linear kernel, the squared maximum mean discrepancy (MMD) between two samples is the squared distance between
their means, so no Gram matrix and no single feature need be kept: means can be summed chunk by chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor


def averaging(rows: Tensor, counts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The matrix (classes, n) that takes n features to their shares in the means of their classes.

    ``rows`` (n,) says which class each feature is of, ``counts`` (classes,) how many each class has in all; the shares
    of all features of a class add up to its mean, whether they are taken at once or chunk by chunk.
    """
    shares = torch.zeros(len(counts), len(rows), dtype=dtype, device=rows.device)
    shares[rows, torch.arange(len(rows), device=rows.device)] = 1 / counts.to(dtype)[rows]
    return shares


def linear_mmd(real_means: Tensor, synthetic_means: Tensor) -> Tensor:
    """Squared MMD of each class under the linear kernel: (classes,) from means (classes, dims).

    Summed over dimensions, not averaged, as in the code of Zhao & Bilen (2023); `lr` depends on it.
    """
    return (real_means - synthetic_means).square().sum(1)
