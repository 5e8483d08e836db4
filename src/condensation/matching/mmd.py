"""Squared maximum mean discrepancy (MMD) between samples, as pure functions of features.

With the linear kernel it is the squared distance of the means. Other kernels need all pairs of features, one block at a time.
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from condensation.matching.kernels import Kernel, Scale

CHUNK = 1024  # rows and columns of a block of a Gram matrix


def class_mean_weights(class_index: Tensor, counts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return weights (classes, n) that map features (n, dims) to their part of the class means of ``counts`` features in all chunks."""
    weights = torch.zeros(len(counts), len(class_index), dtype=dtype, device=class_index.device)
    weights[class_index, torch.arange(len(class_index), device=class_index.device)] = 1 / counts.to(dtype)[class_index]
    return weights


def linear_mmd(real_means: Tensor, synthetic_means: Tensor) -> Tensor:
    """Return the squared MMD of each class under the linear kernel, (classes,), from means (classes, dims)."""
    # Summed over dimensions, not averaged, as in the code of Zhao & Bilen (2023); the learning rate depends on it.
    return (real_means - synthetic_means).square().sum(1)


def squared_mmd(kernel: Kernel, real: Tensor, synthetic: Tensor, scale: Scale, chunk: int = CHUNK) -> Tensor:
    """Return the squared MMD of ``real`` (n, dims) and ``synthetic`` (m, dims): the V-statistic of Gretton et al. (JMLR 2012, eq. 5)."""
    between = mean_kernel(kernel, real, synthetic, scale, chunk)
    return mean_kernel(kernel, real, real, scale, chunk) - 2 * between + mean_kernel(kernel, synthetic, synthetic, scale, chunk)


def mean_kernel(kernel: Kernel, x: Tensor, y: Tensor, scale: Scale, chunk: int = CHUNK) -> Tensor:
    """Return the mean of the Gram matrix of ``x`` (n, dims) and ``y`` (m, dims), a scalar; one block is in memory at a time."""
    if len(x) <= chunk and len(y) <= chunk:
        return kernel(x, y, scale).mean()
    blocks = [(rows, columns) for rows in torch.split(x, chunk) for columns in torch.split(y, chunk)]
    # The backward pass recomputes each block. Kernels draw no random numbers, so their state need not be restored.
    sums = [checkpoint(_sum, kernel, rows, columns, scale, use_reentrant=False, preserve_rng_state=False) for rows, columns in blocks]
    return torch.stack(sums).sum() / (len(x) * len(y))


def _sum(kernel: Kernel, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
    return kernel(x, y, scale).sum()
