"""Many images in pieces that suit the machine: what is embedded, and what is learned from, at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from condensation.core.modules import draws_numbers, mixes_images

Embedding = Callable[[Tensor], Tensor]

# What a network learns from at a time on a CPU, from the least to the most, in pixels: 16 to 63 images of 32x32. From 64 on a
# feature map (width 128, float32) has 32 MB, which malloc hands back to the system after each use, to get it again page by page.
LEARNED_PIXELS = (16 * 1024, 63 * 1024)


def split(count: int, chunk: int | None) -> list[slice]:
    """The places 0 to ``count`` in even pieces of at most ``chunk``."""
    if not chunk or chunk >= count:
        return [slice(0, count)]
    pieces = math.ceil(count / chunk)
    return [slice(i * chunk, min((i + 1) * chunk, count)) for i in range(pieces)]


def microbatch_size(network: nn.Module, images: Tensor) -> int:
    """How many of ``images`` (n, c, h, w) ``network`` had best learn from at a time; gradients are then added up.

    On a CPU the most of `LEARNED_PIXELS` that divide them: pieces are of one size, since each size is a program of its own. All
    at once where none does, and for a network that mixes images or draws numbers for each.
    """
    count, _, height, width = images.shape
    least, most = math.ceil(LEARNED_PIXELS[0] / (height * width)), max(1, LEARNED_PIXELS[1] // (height * width))
    if count <= most or images.device.type != "cpu" or mixes_images(network) or draws_numbers(network):
        return count
    return next((size for size in range(most, least - 1, -1) if count % size == 0), count)


def microbatched(network: nn.Module, function: Embedding) -> Embedding:
    """``function``, by which ``network`` computes images (n, c, h, w), doing it `microbatch_size`; if a gradient is asked for."""

    def of_pieces(images: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return function(images)
        pieces = [function(images[piece]) for piece in split(len(images), microbatch_size(network, images))]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    return of_pieces
