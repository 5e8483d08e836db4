"""Batches split into pieces that suit the machine, for forward and backward passes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from condensation.core.modules import draws_numbers, mixes_images

Embedding = Callable[[Tensor], Tensor]

# Least and most pixels per backward pass on a CPU: 16 to 63 images of 32x32. From 64 images on, a feature map (width 128, float32)
# takes 32 MB; malloc returns such blocks to the system after each use and then requests them again page by page.
LEARNED_PIXELS = (16 * 1024, 63 * 1024)


def split(count: int, chunk: int | None) -> list[slice]:
    """Return slices that cover 0 to ``count`` in even pieces of at most ``chunk``; one slice if ``chunk`` is None."""
    if not chunk or chunk >= count:
        return [slice(0, count)]
    pieces = math.ceil(count / chunk)
    return [slice(i * chunk, min((i + 1) * chunk, count)) for i in range(pieces)]


def even_pieces(count: int, chunk: int | None) -> list[slice]:
    """Return slices like those of `split`, of nearly equal size: a small rest would be slow, and each size is compiled separately."""
    pieces = math.ceil(count / chunk) if chunk else 1
    return split(count, math.ceil(count / max(1, pieces)))


def padded(function: Embedding, multiple: int) -> Embedding:
    """Return ``function`` of images (n, c, h, w), called with the last image repeated up to a ``multiple`` of images.

    Few sizes are compiled then, whatever the numbers of images per class.
    """

    def of_padded(images: Tensor) -> Tensor:
        count = len(images)
        missing = -count % multiple
        if not missing:
            return function(images)
        return function(torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]))[:count]

    return of_padded


def microbatch_size(network: nn.Module, images: Tensor) -> int:
    """Return the number of ``images`` (n, c, h, w) per backward pass of ``network``; the gradients of the pieces add up.

    On a CPU it is the largest divisor of n within `LEARNED_PIXELS`: pieces have one size, because each size is compiled separately.
    It is n if there is no such divisor, on a GPU, and for a network that mixes images or draws random numbers.
    """
    count, _, height, width = images.shape
    least, most = math.ceil(LEARNED_PIXELS[0] / (height * width)), max(1, LEARNED_PIXELS[1] // (height * width))
    if count <= most or images.device.type != "cpu" or mixes_images(network) or draws_numbers(network):
        return count
    return next((size for size in range(most, least - 1, -1) if count % size == 0), count)


def microbatched(network: nn.Module, function: Embedding) -> Embedding:
    """Return ``function``, which embeds images by ``network``, applied in pieces of `microbatch_size` if gradients are enabled."""

    def in_pieces(images: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return function(images)
        pieces = [function(images[piece]) for piece in split(len(images), microbatch_size(network, images))]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    return in_pieces
