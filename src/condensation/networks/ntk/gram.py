"""Gram matrices of neural tangent kernels, computed in blocks that are recomputed for the gradient."""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from condensation.core.images import Shape
from condensation.core.memory import readable, require
from condensation.networks.ntk.base import NTK

P = ParamSpec("P")
T = TypeVar("T")

# Memory of a block while its gradient is computed, in bytes; CPUs and GPUs are fast at these sizes.
BLOCK_BYTES = {"cpu": 2**27, "cuda": 2**31}


def gram(kernel: NTK, x: Tensor, y: Tensor, block_bytes: int | None = None) -> Tensor:
    """Return the kernel (n, m) of ``x`` (n, c, h, w) and ``y`` (m, c, h, w) with gradients, in blocks of ``block_bytes`` or one pair."""
    shape = (x.shape[1], x.shape[2], x.shape[3])
    budget = block_bytes or BLOCK_BYTES[x.device.type]
    pairs = max(1, budget // kernel.pair_bytes(shape))
    x_variances = _variances(kernel, x, pairs)
    y_variances = x_variances if y is x else _variances(kernel, y, pairs)
    if len(x) * len(y) * kernel.pair_bytes(shape) <= budget:
        return kernel.pairs(x, y, x_variances, y_variances)
    height = min(len(x), pairs)  # all rows, or as many as fit
    bands = []
    for rows in _pieces(len(x), height):
        layers = [variance[rows] for variance in x_variances]
        band = [
            _recomputed(kernel.pairs, x[rows], y[columns], layers, [variance[columns] for variance in y_variances])
            for columns in _pieces(len(y), max(1, pairs // height))
        ]
        bands.append(torch.cat(band, 1))
    return torch.cat(bands)


def _variances(kernel: NTK, images: Tensor, chunk: int) -> list[Tensor]:
    """Return `NTK.variances`, computed for ``chunk`` images at a time."""
    if len(images) <= chunk:
        return kernel.variances(images)
    pieces = [_recomputed(kernel.variances, images[piece]) for piece in _pieces(len(images), chunk)]
    return [torch.cat(layer) for layer in zip(*pieces, strict=True)]


def _pieces(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def _recomputed(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return ``function(*args)``, whose intermediate values are recomputed for the gradient; it must not draw random numbers."""
    result: T = checkpoint(partial(function, *args, **kwargs), use_reentrant=False, preserve_rng_state=False)
    return result


def require_room(kernel: NTK, shape: Shape, pairs: int, device: torch.device, what: str, advice: str) -> None:
    """Check that there is memory for kernel matrices of ``pairs`` pairs of images; the error names ``what`` and hints ``advice``."""
    pair_bytes = kernel.pair_bytes(shape)
    block = max(pair_bytes, min(pairs * pair_bytes, BLOCK_BYTES[device.type]))
    # A block of pairs, as much again for variances, and float64 matrices with their gradients and two factorizations.
    needed = 2 * block + 4 * 8 * pairs
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    work = f"{what} with {type(kernel).__name__} on images of {shape[1]}x{shape[2]} ({readable(pair_bytes)} per pair)"
    require(needed, work, advice, free)
