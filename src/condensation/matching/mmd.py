"""How far apart two distributions are: the squared maximum mean discrepancy (MMD), as pure functions of features.

With the linear kernel, the squared MMD between two samples is the squared distance between their means, so no Gram matrix and no
single feature need be kept: means can be summed chunk by chunk. Other kernels need all pairs of features, but never at once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from condensation.matching.kernels import Kernel, Scale

CHUNK = 1024  # features on each side of a piece of a Gram matrix


def class_mean_weights(rows: Tensor, counts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
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


def squared_mmd(kernel: Kernel, real: Tensor, synthetic: Tensor, scale: Scale, chunk: int = CHUNK) -> Tensor:
    """Squared MMD between ``real`` (n, dims) and ``synthetic`` (m, dims), a scalar: the V-statistic.

    It is the biased estimate (Gretton et al., 2012, eq. 5), a mean over all pairs, each feature with itself as well: that is the
    MMD of the two samples as they are, zero if and only if the kernel cannot tell them apart.
    """
    between = mean_kernel(kernel, real, synthetic, scale, chunk)
    return mean_kernel(kernel, real, real, scale, chunk) - 2 * between + mean_kernel(kernel, synthetic, synthetic, scale, chunk)


def mean_kernel(kernel: Kernel, x: Tensor, y: Tensor, scale: Scale, chunk: int = CHUNK) -> Tensor:
    """The mean of the Gram matrix of ``x`` (n, dims) and ``y`` (m, dims), a scalar.

    Only a piece of the matrix is held at a time, and for the gradient each piece is made again.
    """
    if len(x) <= chunk and len(y) <= chunk:
        return kernel(x, y, scale).mean()
    pieces = [(of_x, of_y) for of_x in torch.split(x, chunk) for of_y in torch.split(y, chunk)]
    # Kernels draw no numbers, so there is no random state to keep for the second time.
    sums = [checkpoint(_sum, kernel, of_x, of_y, scale, use_reentrant=False, preserve_rng_state=False) for of_x, of_y in pieces]
    return torch.stack(sums).sum() / (len(x) * len(y))


def _sum(kernel: Kernel, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
    return kernel(x, y, scale).sum()
