"""VGG with eleven layers, as it is used for small images: one linear layer at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import nn

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import NORMS, Stack, convolution, extra_padding, require_choice, require_pixels

Norm = Literal["instance", "batch"]
STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # channels of the convolutions; every stage ends in max-pooling


@dataclass(frozen=True)
class VGG11(NetworkSpec):
    """Eight 3x3 convolutions in five stages; the embedding, 512 numbers at 32 pixels, is the last stage flattened."""

    name: ClassVar[str] = "vgg11"
    norm: Norm = "instance"

    def __post_init__(self) -> None:
        require_choice("VGG11 norm", self.norm, get_args(Norm))

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        channels, *sides = image_shape
        extra = extra_padding(image_shape)
        require_pixels("VGG11", image_shape, 32 - 2 * extra)
        height, width = ((side + 2 * extra) // 32 for side in sides)
        layers: list[nn.Module] = []
        for stage in STAGES:
            for outputs in stage:
                layers += [convolution(channels, outputs, 3, extra), NORMS[self.norm](outputs), nn.ReLU(inplace=True)]
                channels, extra = outputs, 0
            layers.append(nn.MaxPool2d(2))
        return Stack(layers, channels * height * width, num_classes)
