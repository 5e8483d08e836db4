"""VGG11 for small images, with one linear layer on top."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import nn

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import NORMS, Stack, convolution, extra_padding, require_choice, require_pixels

Norm = Literal["instance", "batch"]
STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # output channels of the convolutions; each stage ends in max pooling


@dataclass(frozen=True)
class VGG11(NetworkSpec):
    """Eight 3x3 convolutions in five stages; the embedding is the last stage flattened, 512 features at 32 pixels."""

    name: ClassVar[str] = "vgg11"
    norm: Norm = "instance"
    """Norm after each convolution: instance or batch."""

    def __post_init__(self) -> None:
        require_choice(self, "norm", get_args(Norm))

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
