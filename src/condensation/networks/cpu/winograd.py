"""3x3 convolutions with a quarter of the multiplications: Winograd's, F(4x4, 3x3) of Lavin and Gray (CVPR 2016).

For float32 on a processor with AVX2, which is as fast as its arithmetic, and in compiled programs, whose transforms are fused
into few passes over the feature maps. Maps lie channels-last, so that transforms add up runs of channels and products of
matrices read them as they lie. The result is off by some 2e-6 of its size, where a direct convolution is by 1e-6. With AVX512 it
would not make up for the seconds that its programs take longer to compile, and with bfloat16 in hardware the direct one is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

WIDE = 128  # channels, from which on it pays
CAPABILITY = torch.backends.cpu.get_cpu_capability()
TILE, REACH = 4, 6  # pixels of a side of what comes out at a time, and of what is read for it

# The transposes of B, G and A of the paper: what is done to inputs, weights and products, along each side of a tile.
INPUTS = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
WEIGHTS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
PRODUCTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def pays(maps: Tensor) -> bool:
    """Whether ``maps`` are computed with where this is made for: compiled, in float32, on a processor with AVX2."""
    compiled = torch.compiler.is_compiling() and CAPABILITY == "AVX2"
    return compiled and maps.device.type == "cpu" and maps.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def fits(maps: Tensor) -> bool:
    """Whether ``maps`` (n, c, h, w) divide into tiles."""
    return maps.shape[2] % TILE == 0 and maps.shape[3] % TILE == 0


def convolution(maps: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of ``maps`` (n, c, h, w), padded by one, with ``weights`` (out, c, 3, 3); h and w divide by 4. Channels-last."""
    result: Tensor = _Convolution.apply(maps, weights)  # type: ignore[no-untyped-call]
    return result if bias is None else result + bias[:, None, None]


class _Convolution(torch.autograd.Function):
    """With the gradients written out: that of the maps is such a convolution again, that of the weights is made of the same products."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weights)
        return _convolved(maps, _of_weights(weights).transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        maps, weights = ctx.saved_tensors
        of_maps, of_weights = ctx.needs_input_grad
        return (
            _convolved(gradient, _of_weights(weights, turned=True)) if of_maps else None,
            _weight_gradient(maps, gradient) if of_weights else None,
        )


def _convolved(maps: Tensor, weights: Tensor) -> Tensor:
    """``maps`` (n, c, h, w) with transformed ``weights`` (places of a tile, c, out)."""
    count, _, height, width = maps.shape
    products = torch.bmm(_of_inputs(maps), weights).view(REACH, REACH, count, height // TILE, width // TILE, -1)
    tiles = _both_sides(PRODUCTS, products)  # (row, column, n, tile rows, tile columns, out)
    return tiles.permute(2, 5, 3, 0, 4, 1).reshape(count, -1, height, width).contiguous(memory_format=torch.channels_last)


def _weight_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """Of weights (out, c, 3, 3), by the ``gradient`` (n, out, h, w) of what came out."""
    count, outputs, height, width = gradient.shape
    tiles = kept(gradient.permute(0, 2, 3, 1)).view(count, height // TILE, TILE, width // TILE, TILE, outputs)
    of_products = _both_sides(_transposed(PRODUCTS), tiles.permute(2, 4, 0, 1, 3, 5)).view(REACH * REACH, -1, outputs)
    of_weights = torch.bmm(of_products.transpose(1, 2), _of_inputs(maps))  # (places of a tile, out, c)
    return of_weights.flatten(1).t().mm(_of_kernel(maps)).view(outputs, -1, 3, 3)


def _of_inputs(maps: Tensor) -> Tensor:
    """All tiles of ``maps`` (n, c, h, w), transformed: (places of a tile, tiles, c)."""
    _, channels, height, width = maps.shape
    around = padded(maps.permute(0, 2, 3, 1))
    rows = _combined(INPUTS, [around[:, first : first + height - TILE + 1 : TILE] for first in range(REACH)], 0)
    places = _combined(INPUTS, [rows[:, :, :, first : first + width - TILE + 1 : TILE] for first in range(REACH)], 1)
    return places.view(REACH * REACH, -1, channels)


def _of_weights(weights: Tensor, turned: bool = False) -> Tensor:
    """``weights`` (out, c, 3, 3), transformed: (places of a tile, out, c); ``turned``: by half a circle, as gradients need them.

    By one product of matrices, which reads them as they lie.
    """
    outputs, channels = weights.shape[:2]
    matrix = _of_kernel(weights)
    return (matrix.flip(1) if turned else matrix).mm(weights.reshape(outputs * channels, 9).t()).view(-1, outputs, channels)


def _of_kernel(like: Tensor) -> Tensor:
    """What is done to the nine weights of a kernel, both sides at once: (places of a tile, 9), of the kind of ``like``."""
    sides = torch.tensor(WEIGHTS, dtype=like.dtype, device=like.device)
    return torch.kron(sides, sides)


def _both_sides(matrix: Sequence[Sequence[float]], parts: Tensor) -> Tensor:
    """``matrix`` times ``parts`` (rows, columns, ...) times its transpose, over the first two dimensions."""
    return _combined(matrix, _combined(matrix, parts.unbind(0), 0).unbind(1), 1)


def _combined(matrix: Sequence[Sequence[float]], parts: Sequence[Tensor], dim: int) -> Tensor:
    """For each row of ``matrix`` that combination of ``parts``, along ``dim``: written out, so that a compiler can fuse it."""
    results = []
    for row in matrix:
        terms = [part if factor == 1 else factor * part for factor, part in zip(row, parts, strict=True) if factor]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        results.append(total)
    return torch.stack(results, dim)


def _transposed(matrix: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    return list(zip(*matrix, strict=True))


# Compilers work out small things again wherever they are used, here up to 36 times: what these give is worked out once.
@torch.library.custom_op("condensation::kept", mutates_args=())
def kept(values: Tensor) -> Tensor:
    """``values``, laid out one after the other."""
    return values.clone(memory_format=torch.contiguous_format)


@torch.library.custom_op("condensation::padded", mutates_args=())
def padded(maps: Tensor) -> Tensor:
    """Channels-last ``maps`` (n, h, w, c) in a frame of zeros, one pixel wide."""
    count, height, width, channels = maps.shape
    framed = maps.new_empty(count, height + 2, width + 2, channels)
    for side in (framed[:, 0], framed[:, -1], framed[:, :, 0], framed[:, :, -1]):
        side.zero_()
    framed[:, 1:-1, 1:-1] = maps
    return framed


@kept.register_fake
def _(values: Tensor) -> Tensor:
    return torch.empty_like(values, memory_format=torch.contiguous_format)


@padded.register_fake
def _(maps: Tensor) -> Tensor:
    count, height, width, channels = maps.shape
    return maps.new_empty(count, height + 2, width + 2, channels)


kept.register_autograd(lambda ctx, gradient: gradient)
