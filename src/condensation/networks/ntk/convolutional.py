"""Kernels of convolutional networks, without and with pooling."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.finite import ScaledConv
from condensation.networks.ntk.relu import relu_expectations


@dataclass(frozen=True)
class Convolutional(NTK):
    """Kernel of ``depth`` 3x3 convolutions with ReLU and a linear layer on the flattened output, without pooling.

    Only covariances of corresponding pixels matter (Arora et al., 2019): h w numbers per pair of images.
    """

    name: ClassVar[str] = "conv"
    depth: int = 3
    """Convolutions, each with a ReLU; at least 1."""

    def variances(self, images: Tensor) -> list[Tensor]:
        variances = [self.after_weights(_window(images.square().mean(1)))]
        for _ in range(self.depth - 1):
            variances.append(self.after_weights(_window(variances[-1] / 2)))
        return variances

    def pairs(self, x: Tensor, y: Tensor, x_variances: list[Tensor], y_variances: list[Tensor]) -> Tensor:
        kernel = (x[:, None] * y[None]).mean(2)  # (n, m, h, w)
        tangent: Tensor | None = None
        for x_variance, y_variance in zip(x_variances, y_variances, strict=True):
            covariance = self.after_weights(_window(kernel))
            learned = covariance if tangent is None else covariance + self.w_std**2 * _window(tangent)
            kernel, slopes = relu_expectations(covariance, x_variance[:, None], y_variance[None])
            tangent = slopes * learned
        assert tangent is not None  # depth is at least 1
        return self.after_weights(kernel.mean((2, 3))) + self.w_std**2 * tangent.mean((2, 3))

    def numbers_per_pair(self, image_shape: Shape) -> int:
        return image_shape[1] * image_shape[2]

    def hidden_layers(self, image_shape: Shape, width: int) -> list[nn.Module]:
        return [*_convolutions(self, image_shape[0], width, self.depth), nn.Flatten()]


@dataclass(frozen=True)
class PooledConvolutional(NTK):
    """KIP's ConvNet without norm: blocks of convolution, ReLU and pooling. It keeps all (h w)² pairs of pixels: 8.4 MB at 32x32."""

    name: ClassVar[str] = "conv-pool"
    depth: int = 3
    """Blocks with pooling; at least 1."""
    prepended: int = 0
    """Convolutions with ReLU before the first block; 1 in some experiments of KIP."""

    def validate(self, image_shape: Shape) -> None:
        side = min(image_shape[1:])
        if side < 2**self.depth:
            least, got = f"{2**self.depth}x{2**self.depth}", f"{image_shape[1]}x{image_shape[2]}"
            message = f"A kernel with {self.depth} poolings needs images of at least {least} pixels, got {got}."
            raise CondensationError(message, hint='Use a smaller depth, or a kernel without pooling: "conv".')

    def variances(self, images: Tensor) -> list[Tensor]:
        kernel = (images[:, :, :, :, None, None] * images[:, :, None, None]).mean(1)  # (n, h, w, h, w)
        variances = []
        for pools in self._pools():
            covariance = self.after_weights(_diagonal_window(kernel))
            variances.append(_equal_pixels(covariance))
            kernel, _ = relu_expectations(covariance, variances[-1][:, :, :, None, None], variances[-1][:, None, None])
            kernel = _pool(kernel) if pools else kernel
        return variances

    def pairs(self, x: Tensor, y: Tensor, x_variances: list[Tensor], y_variances: list[Tensor]) -> Tensor:
        kernel = (x[:, None, :, :, :, None, None] * y[None, :, :, None, None]).mean(2)  # (n, m, h, w, h, w)
        tangent: Tensor | None = None
        for pools, x_variance, y_variance in zip(self._pools(), x_variances, y_variances, strict=True):
            covariance = self.after_weights(_diagonal_window(kernel))
            learned = covariance if tangent is None else covariance + self.w_std**2 * _diagonal_window(tangent)
            kernel, slopes = relu_expectations(covariance, x_variance[:, None, :, :, None, None], y_variance[None, :, None, None])
            tangent = slopes * learned
            if pools:
                kernel, tangent = _pool(kernel), _pool(tangent)
        assert tangent is not None  # depth is at least 1
        return self.after_weights(_equal_pixels(kernel).mean((2, 3))) + self.w_std**2 * _equal_pixels(tangent).mean((2, 3))

    def numbers_per_pair(self, image_shape: Shape) -> int:
        return (image_shape[1] * image_shape[2]) ** 2

    def hidden_layers(self, image_shape: Shape, width: int) -> list[nn.Module]:
        layers = _convolutions(self, image_shape[0], width, self.prepended)
        channels = width if self.prepended else image_shape[0]
        for _ in range(self.depth):
            layers += [*_convolutions(self, channels, width, 1), nn.AvgPool2d(2)]
            channels = width
        return [*layers, nn.Flatten()]

    def pair_bytes(self, image_shape: Shape) -> int:
        layer_bytes = super().pair_bytes(image_shape) // (self.depth + 1)
        return (self.prepended + 2) * layer_bytes + layer_bytes // 8  # each pooling leaves a sixteenth

    def _pools(self) -> list[bool]:
        """Return a flag per convolution: True if pooling follows."""
        return [False] * self.prepended + [True] * self.depth


def _convolutions(kernel: NTK, channels: int, width: int, count: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [ScaledConv(width if number else channels, width, kernel.w_std, kernel.b_std), nn.ReLU(inplace=True)]
    return layers


def _window(kernel: Tensor) -> Tensor:
    """Return the mean over the 3x3 pixels that a convolution reads, (..., h, w), with zeros beyond the edge."""
    flat = kernel.reshape(-1, 1, *kernel.shape[-2:])
    return F.avg_pool2d(flat, 3, stride=1, padding=1).view_as(kernel)


def _diagonal_window(kernel: Tensor) -> Tensor:
    """Return the mean over equal offsets of both pixels in 3x3 windows, (..., h, w, h, w): first along rows, then along columns."""
    height, width = kernel.shape[-2:]
    padded = F.pad(kernel, (0, 0, 1, 1, 0, 0, 1, 1))
    rows = padded[..., :height, :, :height, :] + padded[..., 1:-1, :, 1:-1, :] + padded[..., 2:, :, 2:, :]
    padded = F.pad(rows, (1, 1, 0, 0, 1, 1, 0, 0))
    both = sum(padded[..., step : step + width, :, step : step + width] for step in range(1, 3)) + padded[..., :width, :, :width]
    return both / 9


def _pool(kernel: Tensor) -> Tensor:
    """Return the mean over 2x2 pixels of each image for pairs of pixels (..., h, w, h, w), dropping an odd last row or column."""
    height, width = kernel.shape[-2:]
    flat = kernel.reshape(-1, height * width, height, width)
    halved = F.avg_pool2d(flat, 2)
    size = halved.shape[-2:]
    transposed = halved.flatten(2).transpose(1, 2).reshape(-1, size.numel(), height, width)
    both = F.avg_pool2d(transposed, 2).flatten(2).transpose(1, 2)
    return both.reshape(*kernel.shape[:-4], *size, *size)


def _equal_pixels(kernel: Tensor) -> Tensor:
    """Return the entries of corresponding pixels, (..., h, w), among all pairs of pixels (..., h, w, h, w)."""
    height, width = kernel.shape[-2:]
    diagonal = kernel.reshape(*kernel.shape[:-4], height * width, height * width).diagonal(dim1=-2, dim2=-1)
    return diagonal.reshape(*kernel.shape[:-4], height, width)
