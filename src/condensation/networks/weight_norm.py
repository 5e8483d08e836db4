"""Weight norm, mean-only batch norm, and the network that generative teaching networks (GTN) train."""

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

SLOPE = 0.1  # of leaky ReLU for negative inputs
SIDE = 3  # kernel side of convolutions


class _WeightNorm(nn.Module):
    """Weight (outputs, ...) as w = g v / |v| for each output (Salimans & Kingma, NeurIPS 2016, eq. 2); no bias."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(shape))
        self.length = nn.Parameter(torch.empty(shape[0]))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight as PyTorch does, uniform within 1 / sqrt(fan-in)."""
        bound = 1 / math.sqrt(self.direction[0].numel())
        with torch.no_grad():
            self.direction.uniform_(-bound, bound)
            self.length.copy_(self.direction.flatten(1).norm(dim=1))

    @property
    def weight(self) -> Tensor:
        """Weight with the given direction and length."""
        scale: Tensor = self.length / self.direction.flatten(1).norm(dim=1)
        return self.direction * scale.view(-1, *[1] * (self.direction.ndim - 1))


class NormedLinear(_WeightNorm):
    """A linear layer with weight norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(outputs, inputs)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight)


class NormedConv(_WeightNorm):
    """A 3x3 convolution with weight norm that keeps the image size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(outputs, inputs, SIDE, SIDE)

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.weight, padding=SIDE // 2)


class MeanOnlyBatchNorm(_BatchNorm):
    """Batch norm that subtracts channel means and adds a learned shift, without scaling (Salimans & Kingma, 2016, sec. 4)."""

    traced = False  # keep the graph of the running mean, for differentiating through training

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels, momentum=momentum, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.bias is not None:  # None while the base class initializes
            nn.init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept features of any dimension."""

    def forward(self, features: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.num_batches_tracked is not None
        mean = self.running_mean
        if self.training:
            mean = features.mean([0, *range(2, features.ndim)]).to(self.running_mean.dtype)  # lower precision under autocast
            self.running_mean.lerp_(mean if self.traced else mean.detach(), self.momentum or 0.0)
            self.num_batches_tracked.add_(1)
        return features + (self.bias - mean).view(-1, *[1] * (features.ndim - 2))


@dataclass(frozen=True)
class WeightNormConvNet(NetworkSpec):
    """Two blocks of 3x3 convolution, max pooling, norm and leaky ReLU, and a hidden linear layer, all with weight norm.

    Generative teaching networks train this network (Such et al., ICML 2020); the order of layers is the authors'. The norms are
    mean-only batch norm; in evaluation mode they subtract the mean of the last training batch. The embedding is the hidden layer.
    Unlike in the authors' code, weights have PyTorch's initialization and the last layer has no weight norm.
    """

    name: ClassVar[str] = "convnet-wn"
    counted: ClassVar[bool] = False
    widths: tuple[int, int] = (64, 128)
    """Output channels of the two convolutions; at least 1."""
    hidden: int = 256
    """Units of the hidden layer, the size of the embedding; at least 1."""

    def __post_init__(self) -> None:
        require_positive(self, "widths", "hidden")

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        require_pixels("A weight-norm ConvNet", image_shape, 4)
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        for outputs in self.widths:
            layers += [NormedConv(channels, outputs), nn.MaxPool2d(3, 2, padding=1), *_norm_and_activation(outputs)]
            channels, height, width = outputs, (height + 1) // 2, (width + 1) // 2
        layers += [nn.Flatten(), NormedLinear(channels * height * width, self.hidden), *_norm_and_activation(self.hidden)]
        return Stack(layers, self.hidden, num_classes)


def _norm_and_activation(channels: int) -> tuple[nn.Module, nn.Module]:
    return MeanOnlyBatchNorm(channels, momentum=1.0), nn.LeakyReLU(SLOPE)
