"""The ConvNet that condensation papers learn on: equal blocks of convolution, norm, activation and pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import nn

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import NORMS, Stack, convolution, extra_padding, require_choice, require_pixels, require_positive

Norm = Literal["none", "batch", "layer", "instance", "group"]
Activation = Literal["sigmoid", "relu", "leakyrelu", "swish"]
Pooling = Literal["none", "max", "avg"]

# In place where backward can do without the input: it saves one copy of every feature map.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": lambda: nn.ReLU(inplace=True),
    "leakyrelu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "swish": nn.SiLU,
}
# And by how much each makes a side smaller.
POOLINGS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "none": (nn.Identity, 1),
    "max": (lambda: nn.MaxPool2d(2), 2),
    "avg": (lambda: nn.AvgPool2d(2), 2),
}


@dataclass(frozen=True)
class ConvNet(NetworkSpec):
    """Blocks of 3x3 convolution, norm, activation and 2x2 pooling; the embedding is the flattened last block."""

    name: ClassVar[str] = "convnet"
    width: int = 128
    depth: int | None = None  # None: by the size of the images, 3 at 32 pixels, one more each time they double
    norm: Norm = "instance"
    activation: Activation = "relu"
    pooling: Pooling = "avg"

    def __post_init__(self) -> None:
        require_positive("The width of a ConvNet", self.width)
        if self.depth is not None:
            require_positive("The depth of a ConvNet", self.depth)
        require_choice("ConvNet norm", self.norm, get_args(Norm))
        require_choice("ConvNet activation", self.activation, get_args(Activation))
        require_choice("ConvNet pooling", self.pooling, get_args(Pooling))
        if self.norm == "group" and self.width % 4:
            raise CondensationError(f"Group norm makes four groups of channels: a width of {self.width} does not divide by 4.")

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        channels, height, width = image_shape
        depth = self._depth(image_shape)
        extra = extra_padding(image_shape)
        pool, shrink = POOLINGS[self.pooling]
        blocks: list[nn.Module] = []
        for _ in range(depth):
            blocks.append(convolution(channels, self.width, 3, extra))
            channels, height, width = self.width, height + 2 * extra, width + 2 * extra
            blocks += [self._norm((channels, height, width)), ACTIVATIONS[self.activation](), pool()]
            height, width, extra = height // shrink, width // shrink, 0
        return Stack(blocks, channels * height * width, num_classes)

    def _norm(self, shape: Shape) -> nn.Module:
        norms: dict[str, Callable[[int], nn.Module]] = {**NORMS, "layer": lambda channels: nn.LayerNorm(shape)}
        return norms[self.norm](self.width)

    def _depth(self, image_shape: Shape) -> int:
        side = min(image_shape[1:])
        depth = self.depth if self.depth is not None else max(1, round(math.log2(side)) - 2)
        if POOLINGS[self.pooling][1] == 1:
            return depth
        deepest = int(math.log2(side + 2 * extra_padding(image_shape)))  # a block needs two pixels to pool
        if deepest == 0:
            require_pixels("A ConvNet with pooling", image_shape, 2)
        if depth > deepest:
            raise CondensationError(
                f"A ConvNet of depth {depth} is too deep for images of {image_shape[1]}x{image_shape[2]}: every block halves them.\n"
                f"Use a depth of at most {deepest}, or pooling 'none'."
            )
        return depth
