"""Gram matrices of neural tangent kernels, block by block, and again for the gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from condensation.core.images import Shape
from condensation.ntk.base import NTK

P = ParamSpec("P")
T = TypeVar("T")

# What a block may take while its gradient is worked out: about what a CPU's caches and memory do well with, and a GPU.
BLOCK_BYTES = {"cpu": 2**27, "cuda": 2**31}


def gram(kernel: NTK, x: Tensor, y: Tensor, block_bytes: int | None = None) -> Tensor:
    """The kernel (n, m) of images ``x`` (n, c, h, w) and ``y`` (m, c, h, w), with gradients.

    Memory beside the result is that of one block of pairs, at most ``block_bytes`` or that of one pair.
    """
    shape = (x.shape[1], x.shape[2], x.shape[3])
    budget = block_bytes or BLOCK_BYTES[x.device.type]
    of_x = _variances(kernel, x, shape, budget)
    of_y = of_x if y is x else _variances(kernel, y, shape, budget)
    if len(x) * len(y) * kernel.pair_bytes(shape) <= budget:
        return kernel.pairs(x, y, of_x, of_y)
    rows, columns = block_sizes(kernel, shape, len(x), budget)
    bands = []
    for some_x in _pieces(len(x), rows):
        band = [
            _again(kernel.pairs, x[some_x], y[some_y], [one[some_x] for one in of_x], [one[some_y] for one in of_y])
            for some_y in _pieces(len(y), columns)
        ]
        bands.append(torch.cat(band, 1))
    return torch.cat(bands)


def block_sizes(kernel: NTK, shape: Shape, rows: int, budget: int) -> tuple[int, int]:
    """How many rows and columns a block has: as many rows as there are, or as fit."""
    pairs = max(1, budget // kernel.pair_bytes(shape))
    of_rows = min(rows, pairs)
    return of_rows, max(1, pairs // of_rows)


def _variances(kernel: NTK, images: Tensor, shape: Shape, budget: int) -> list[Tensor]:
    """Those of all images, a few at a time."""
    some = max(1, budget // kernel.pair_bytes(shape))
    if len(images) <= some:
        return kernel.variances(images)
    pieces = [_again(kernel.variances, images[piece]) for piece in _pieces(len(images), some)]
    return [torch.cat(layer) for layer in zip(*pieces, strict=True)]


def _pieces(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def _again(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``function(*args)``, whose inner values are not kept but worked out again for the gradient; it draws no numbers."""
    found: T = checkpoint(partial(function, *args, **kwargs), use_reentrant=False, preserve_rng_state=False)
    return found
