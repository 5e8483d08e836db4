"""Layers whose weights are a direction and a length, norms that only subtract the mean, and the network that GTN teaches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import Stack, require_pixels, require_positive

SLOPE = 0.1  # of leaky ReLUs, for negative numbers
SIDE = 3  # of convolutions, in pixels


class _Normed(nn.Module):
    """A weight (outputs, ...) as a direction and a length for each output (Salimans & Kingma, NeurIPS 2016); no bias."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(shape))
        self.length = nn.Parameter(torch.empty(shape[0]))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The weight that PyTorch gives a layer of this size: uniform within 1 / sqrt(fan-in)."""
        bound = 1 / math.sqrt(self.direction[0].numel())
        with torch.no_grad():
            self.direction.uniform_(-bound, bound)
            self.length.copy_(self.direction.flatten(1).norm(dim=1))

    @property
    def weight(self) -> Tensor:
        """The direction, brought to the length."""
        scale: Tensor = self.length / self.direction.flatten(1).norm(dim=1)
        return self.direction * scale.view(-1, *[1] * (self.direction.ndim - 1))


class NormedLinear(_Normed):
    """A linear layer with weight norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(outputs, inputs)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight)


class NormedConv(_Normed):
    """A 3x3 convolution with weight norm, which keeps the size of the images."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(outputs, inputs, SIDE, SIDE)

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.weight, padding=SIDE // 2)


class MeanOnlyBatchNorm(_BatchNorm):
    """Batch norm that subtracts the mean of each channel and adds a learned shift; it divides by nothing.

    In evaluation mode the mean is a running one. The running variance that PyTorch's kind keeps stays at one.
    """

    traced = False  # whether the running mean has a graph to the features, where training itself is differentiated

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels, momentum=momentum, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.bias is not None:  # not while the base class is made
            nn.init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        """Of any size."""

    def forward(self, features: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.num_batches_tracked is not None
        mean = self.running_mean
        if self.training:
            mean = features.mean([0, *range(2, features.ndim)]).to(self.running_mean.dtype)  # of lower precision under autocast
            self.running_mean.lerp_(mean if self.traced else mean.detach(), self.momentum or 0.0)
            self.num_batches_tracked.add_(1)
        return features + (self.bias - mean).view(-1, *[1] * (features.ndim - 2))


@dataclass(frozen=True)
class WeightNormConvNet(NetworkSpec):
    """Two blocks of 3x3 convolution, max-pooling, norm and leaky ReLU, and a hidden linear layer, all with weight norm.

    The norms are mean-only batch norm; in evaluation mode they subtract the mean of the last batch that was learned from. It is the
    network that generative teaching networks teach (Such et al., ICML 2020), in the authors' order of layers; the embedding is the
    hidden layer. Weights are drawn as PyTorch draws them, and the last layer has no weight norm, unlike theirs.
    """

    name: ClassVar[str] = "convnet-wn"
    widths: tuple[int, int] = (64, 128)
    hidden: int = 256

    def __post_init__(self) -> None:
        for width in (*self.widths, self.hidden):
            require_positive("The width of a weight-norm ConvNet", width)

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        require_pixels("A weight-norm ConvNet", image_shape, 4)
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        for wide in self.widths:
            layers += [
                NormedConv(channels, wide),
                nn.MaxPool2d(3, 2, padding=1),
                MeanOnlyBatchNorm(wide, momentum=1.0),
                nn.LeakyReLU(SLOPE),
            ]
            channels, height, width = wide, (height + 1) // 2, (width + 1) // 2
        layers += [
            nn.Flatten(),
            NormedLinear(channels * height * width, self.hidden),
            MeanOnlyBatchNorm(self.hidden, momentum=1.0),
            nn.LeakyReLU(SLOPE),
        ]
        return Stack(layers, self.hidden, num_classes)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return MeanOnlyBatchNorm(channels, momentum=1.0), nn.LeakyReLU(SLOPE)
