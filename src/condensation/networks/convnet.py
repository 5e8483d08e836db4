"""The ConvNet of the condensation papers: identical blocks of convolution, norm, activation and pooling."""

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

# In-place if the backward pass does not need the input, which saves a copy of each feature map.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": lambda: nn.ReLU(inplace=True),
    "leakyrelu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "swish": nn.SiLU,
}
# Each pooling, and the factor by which it reduces a side.
POOLINGS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "none": (nn.Identity, 1),
    "max": (lambda: nn.MaxPool2d(2), 2),
    "avg": (lambda: nn.AvgPool2d(2), 2),
}


@dataclass(frozen=True)
class ConvNet(NetworkSpec):
    """Blocks of 3x3 convolution, norm, activation and 2x2 pooling; the embedding is the flattened last block.

    >>> from condensation import ConvNet, Rng
    >>> network = ConvNet().build((3, 32, 32), num_classes=10, rng=Rng(0))
    >>> sum(parameter.numel() for parameter in network.parameters())
    320010
    """

    name: ClassVar[str] = "convnet"
    width: int = 128
    """Output channels of each convolution; at least 1."""
    depth: int | None = None
    """Number of blocks; at least 1. None: 3 for images of 32 pixels and one more for each doubling of the side."""
    norm: Norm = "instance"
    """Norm of each block: none, batch, layer (over channels, height and width), instance or group (4 groups)."""
    activation: Activation = "relu"
    """Activation of each block: sigmoid, relu, leakyrelu (slope 0.01) or swish."""
    pooling: Pooling = "avg"
    """Pooling of each block, 2x2: none, max or avg."""

    def __post_init__(self) -> None:
        require_positive(self, "width", *([] if self.depth is None else ["depth"]))
        for field, choices in (("norm", Norm), ("activation", Activation), ("pooling", Pooling)):
            require_choice(self, field, get_args(choices))
        if self.norm == "group" and self.width % 4:
            hint = f"Use a width of {4 * (self.width // 4 + 1)}, or another norm."
            raise CondensationError(f"Group norm needs a width divisible by 4, got {self.width}.", hint=hint, setting="network.width")

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        channels, height, width = image_shape
        extra = extra_padding(image_shape)
        pool, shrink = POOLINGS[self.pooling]
        blocks: list[nn.Module] = []
        for _ in range(self._depth(image_shape)):
            blocks.append(convolution(channels, self.width, 3, extra))
            channels, height, width = self.width, height + 2 * extra, width + 2 * extra
            norm = nn.LayerNorm((channels, height, width)) if self.norm == "layer" else NORMS[self.norm](channels)
            blocks += [norm, ACTIVATIONS[self.activation](), pool()]
            height, width, extra = height // shrink, width // shrink, 0
        return Stack(blocks, channels * height * width, num_classes)

    def _depth(self, image_shape: Shape) -> int:
        side = min(image_shape[1:])
        depth = self.depth or max(1, round(math.log2(side)) - 2)
        if POOLINGS[self.pooling][1] == 1:
            return depth
        deepest = int(math.log2(side + 2 * extra_padding(image_shape)))  # pooling needs at least two pixels
        if deepest == 0:
            require_pixels("A ConvNet with pooling", image_shape, 2)
        if depth > deepest:
            message = f"A ConvNet of depth {depth} is too deep for images of {image_shape[1]}x{image_shape[2]}: each block halves them."
            raise CondensationError(message, hint=f"Use a depth of at most {deepest}, or pooling 'none'.", setting="network.depth")
        return depth
