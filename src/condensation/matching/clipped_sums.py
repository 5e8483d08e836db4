"""Class sums of clipped embeddings in whole numbers, and Gaussian noise for them from the generator of the operating system.

Sums are whole multiples of clip / 2**31, so they are exact and do not depend on the order of the images, and noise is rounded to the same
grid before it is added. The low bits of a noisy sum therefore tell nothing about the images (Mironov, CCS 2012).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from condensation.augment.base import Transform
from condensation.core.images import ImageSet
from condensation.core.microbatch import Embedding

GRID = 2**31  # steps of the grid in one clip; 4 billion embeddings fit into the sum of int64
DRAWN = 1 << 20  # random numbers drawn at a time


@dataclass(frozen=True)
class PublicMap:
    """Map of embeddings (n, dims) before clipping, which uses no private image: centre, then project."""

    center: Tensor | None = None
    """Vector (dims,) to subtract; None for none."""
    projection: Tensor | None = None
    """Matrix (dims, k) to multiply by; None for none."""

    def __call__(self, features: Tensor) -> Tensor:
        """Return the mapped features, (n, dims) or (n, k)."""
        if self.center is not None:
            features = features - self.center.to(features)
        return features if self.projection is None else features @ self.projection.to(features)


def clipped(features: Tensor, clip: float) -> Tensor:
    """Return ``features`` (n, dims) with each row scaled down to an L2 norm of at most ``clip``; shorter rows stay unchanged."""
    norms: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True).clamp(min=1e-12)
    return features * (clip / norms).clamp(max=1.0)


def whole_numbers(features: Tensor, clip: float) -> Tensor:
    """Return clipped ``features`` on the grid, int64; rounding toward zero keeps every norm at most ``clip``."""
    finite = features.double().nan_to_num(0.0, 0.0, 0.0)  # an image must not spoil the sum of the others
    exact = clipped(finite, clip * (1 - 2**-40))  # the margin covers the rounding of the norm itself
    return (exact * (GRID / clip)).trunc().to(torch.int64)


def clipped_class_sums(
    embed: Embedding,
    real: ImageSet,
    transform: Transform | None,
    public_map: PublicMap,
    clip: float,
    chunk: int,
    dtype: torch.dtype = torch.float32,
    on_images: Callable[[int], None] | None = None,
) -> Tensor:
    """Return the sum of the clipped embeddings of all images of each class, int64 (classes, dims) in steps of clip / `GRID`.

    Every batch has ``chunk`` images, the last one being filled up with blank ones, and what follows the network is float64, so that
    the number and the order of the other images do not decide how one is rounded.
    ``on_images`` receives the number of images done.
    """
    sums: Tensor | None = None
    for first in range(0, len(real), chunk):
        indices = torch.arange(first, min(first + chunk, len(real)), device=real.device)
        rows = real.class_index[indices]
        images = real.inputs(indices).to(dtype)
        count = len(images)
        if count < chunk:
            images = torch.cat([images, images.new_zeros(chunk - count, *images.shape[1:])])
            rows = torch.cat([rows, rows.new_zeros(chunk - count)])
        with torch.no_grad():
            images = transform(images, rows) if transform else images
            embedded = embed(images)
            exact = (embedded.cpu() if embedded.device.type == "mps" else embedded).double()  # mps lacks float64
            features = whole_numbers(public_map(exact), clip)[:count]
        sums = features.new_zeros(len(real.classes), features.shape[1]) if sums is None else sums
        sums.index_add_(0, rows[:count].to(sums.device), features)
        if on_images:
            on_images(first + count)
    assert sums is not None
    return sums


def add_noise_(sums: Tensor, noise_multiplier: float) -> Tensor:
    """Add Gaussian noise to ``sums`` in steps of the grid, in place, and return them; the sums without noise are gone.

    The standard deviation is ``noise_multiplier`` times the clip, which is the most that one image changes the sums of a network.
    """
    noise = torch.from_numpy(secure_normal(sums.numel()) * (noise_multiplier * GRID)).round_().to(torch.int64)
    return sums.add_(noise.view(sums.shape).to(sums.device))


def in_units(sums: Tensor, clip: float) -> Tensor:
    """Return ``sums`` in steps of the grid as float32 numbers."""
    return (sums.double() * (clip / GRID)).float()


def secure_normal(count: int) -> np.ndarray:
    """Return standard normal numbers, float64 (count,), from the cryptographic generator of the operating system (Box-Muller)."""
    pieces = []
    for first in range(0, count, DRAWN):
        size = min(DRAWN, count - first)
        half = -(-size // 2)
        bits = np.frombuffer(os.urandom(16 * half), dtype=np.uint64) >> np.uint64(11)
        uniform = (bits.astype(np.float64) + 0.5) / 2**53
        radius, angle = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
        pieces.append(np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size])
    return np.concatenate(pieces) if pieces else np.zeros(0)
