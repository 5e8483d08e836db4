"""Kernels of convolutional networks: without pooling, where each pixel meets only itself in the other image, and with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.ntk.base import NTK
from condensation.ntk.finite import ScaledConv
from condensation.ntk.relu import rectified


@dataclass(frozen=True)
class Convolutional(NTK):
    """``depth`` 3x3 convolutions with ReLU, then flattened: no pooling, so h w numbers a pair of images.

    The last layer has weights of its own for each pixel, so only the covariances of like pixels count (Arora et al., 2019).
    """

    name: ClassVar[str] = "conv"
    depth: int = 3

    def variances(self, images: Tensor) -> list[Tensor]:
        found = [self.dense(_window(images.square().mean(1)))]
        for _ in range(self.depth - 1):
            found.append(self.dense(_window(found[-1] / 2)))
        return found

    def pairs(self, x: Tensor, y: Tensor, of_x: list[Tensor], of_y: list[Tensor]) -> Tensor:
        kernel = (x[:, None] * y[None]).mean(2)  # (n, m, h, w)
        tangent: Tensor | None = None
        for one, other in zip(of_x, of_y, strict=True):
            covariance = self.dense(_window(kernel))
            learned = covariance if tangent is None else covariance + self.w_std**2 * _window(tangent)
            kernel, slopes = rectified(covariance, one[:, None], other[None])
            tangent = slopes * learned
        assert tangent is not None  # there is a layer
        return self.dense(kernel.mean((2, 3))) + self.w_std**2 * tangent.mean((2, 3))

    def entries(self, image_shape: Shape) -> int:
        return image_shape[1] * image_shape[2]

    def hidden(self, image_shape: Shape, width: int) -> list[nn.Module]:
        return [*_convolutions(self, image_shape[0], width, self.depth), nn.Flatten()]


@dataclass(frozen=True)
class PooledConvolutional(NTK):
    """``depth`` blocks of 3x3 convolution, ReLU and 2x2 average pooling, then flattened: the ConvNet of KIP, without norm.

    Pooling mixes pixels, so all pairs of pixels count: (h w)² numbers a pair of images, 8.4 MB at 32x32.
    """

    name: ClassVar[str] = "conv-pool"
    depth: int = 3
    prepended: int = 0  # convolutions with ReLU before the first block; KIP's has one in some experiments

    def check(self, image_shape: Shape) -> None:
        side = min(image_shape[1:])
        if side < 2**self.depth:
            raise CondensationError(
                f"A kernel with {self.depth} poolings needs images of at least {2**self.depth}x{2**self.depth} pixels; "
                f"these are {image_shape[1]}x{image_shape[2]}.\nUse a kernel of smaller depth, or one without pooling: conv."
            )

    def variances(self, images: Tensor) -> list[Tensor]:
        kernel = (images[:, :, :, :, None, None] * images[:, :, None, None]).mean(1)  # (n, h, w, h, w)
        found = []
        for pools in self._layers():
            covariance = self.dense(_diagonal_window(kernel))
            found.append(_like_pixels(covariance))
            kernel, _ = rectified(covariance, found[-1][:, :, :, None, None], found[-1][:, None, None])
            kernel = _pool(kernel) if pools else kernel
        return found

    def pairs(self, x: Tensor, y: Tensor, of_x: list[Tensor], of_y: list[Tensor]) -> Tensor:
        kernel = (x[:, None, :, :, :, None, None] * y[None, :, :, None, None]).mean(2)  # (n, m, h, w, h, w)
        tangent: Tensor | None = None
        for pools, one, other in zip(self._layers(), of_x, of_y, strict=True):
            covariance = self.dense(_diagonal_window(kernel))
            learned = covariance if tangent is None else covariance + self.w_std**2 * _diagonal_window(tangent)
            kernel, slopes = rectified(covariance, one[:, None, :, :, None, None], other[None, :, None, None])
            tangent = slopes * learned
            if pools:
                kernel, tangent = _pool(kernel), _pool(tangent)
        assert tangent is not None  # there is a layer
        return self.dense(_like_pixels(kernel).mean((2, 3))) + self.w_std**2 * _like_pixels(tangent).mean((2, 3))

    def entries(self, image_shape: Shape) -> int:
        return (image_shape[1] * image_shape[2]) ** 2

    def hidden(self, image_shape: Shape, width: int) -> list[nn.Module]:
        layers = _convolutions(self, image_shape[0], width, self.prepended)
        channels = width if self.prepended else image_shape[0]
        for _ in range(self.depth):
            layers += [*_convolutions(self, channels, width, 1), nn.AvgPool2d(2)]
            channels = width
        return [*layers, nn.Flatten()]

    def pair_bytes(self, image_shape: Shape) -> int:
        of_layer = super().pair_bytes(image_shape) // (self.depth + 1)
        return (self.prepended + 2) * of_layer + of_layer // 8  # each pooling leaves a sixteenth

    def _layers(self) -> list[bool]:
        """Of each convolution, whether it is pooled."""
        return [False] * self.prepended + [True] * self.depth


def _convolutions(kernel: NTK, channels: int, width: int, count: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [ScaledConv(width if number else channels, width, kernel.w_std, kernel.b_std), nn.ReLU(inplace=True)]
    return layers


def _window(kernel: Tensor) -> Tensor:
    """The mean over 3x3 pixels (..., h, w), those beyond the edge as zeros: what a convolution sees."""
    flat = kernel.reshape(-1, 1, *kernel.shape[-2:])
    return F.avg_pool2d(flat, 3, stride=1, padding=1).view_as(kernel)


def _diagonal_window(kernel: Tensor) -> Tensor:
    """The same of pairs of pixels (..., h, w, h, w): the window moves over both alike. Along one side, then along the other."""
    height, width = kernel.shape[-2:]
    padded = F.pad(kernel, (0, 0, 1, 1, 0, 0, 1, 1))
    rows = padded[..., :height, :, :height, :] + padded[..., 1:-1, :, 1:-1, :] + padded[..., 2:, :, 2:, :]
    padded = F.pad(rows, (1, 1, 0, 0, 1, 1, 0, 0))
    both = sum(padded[..., step : step + width, :, step : step + width] for step in range(1, 3)) + padded[..., :width, :, :width]
    return both / 9


def _pool(kernel: Tensor) -> Tensor:
    """The mean over 2x2 pixels of either image, of pairs of pixels (..., h, w, h, w); an odd row or column is left out."""
    height, width = kernel.shape[-2:]
    flat = kernel.reshape(-1, height * width, height, width)
    halved = F.avg_pool2d(flat, 2)
    other = halved.shape[-2:]
    turned = halved.flatten(2).transpose(1, 2).reshape(-1, other.numel(), height, width)
    both = F.avg_pool2d(turned, 2).flatten(2).transpose(1, 2)
    return both.reshape(*kernel.shape[:-4], *other, *other)


def _like_pixels(kernel: Tensor) -> Tensor:
    """Of pairs of pixels (..., h, w, h, w), those of like pixels: (..., h, w)."""
    height, width = kernel.shape[-2:]
    like = kernel.reshape(*kernel.shape[:-4], height * width, height * width).diagonal(dim1=-2, dim2=-1)
    return like.reshape(*kernel.shape[:-4], height, width)
