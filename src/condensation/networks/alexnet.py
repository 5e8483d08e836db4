"""AlexNet for small images: five convolutions, three poolings, one linear layer."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import nn

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import NORMS, Stack, convolution, extra_padding, require_choice, require_pixels

Norm = Literal["none", "batch"]
LAYERS = (
    (128, 5, True),
    (192, 5, True),
    (256, 3, False),
    (192, 3, False),
    (192, 3, True),
)  # output channels, kernel, max pooling


@dataclass(frozen=True)
class AlexNet(NetworkSpec):
    """Five convolutions with ReLU; the embedding is the output of the last, pooled and flattened."""

    name: ClassVar[str] = "alexnet"
    norm: Norm = "none"
    """Norm after each convolution: none or batch."""

    def __post_init__(self) -> None:
        require_choice(self, "norm", get_args(Norm))

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        channels, *sides = image_shape
        extra = extra_padding(image_shape)
        require_pixels("AlexNet", image_shape, 8 - 2 * extra)
        height, width = ((side + 2 * extra) // 8 for side in sides)
        layers: list[nn.Module] = []
        for outputs, kernel, pooled in LAYERS:
            layers += [convolution(channels, outputs, kernel, extra), NORMS[self.norm](outputs), nn.ReLU(inplace=True)]
            if pooled:
                layers.append(nn.MaxPool2d(2))
            channels, extra = outputs, 0
        return Stack(layers, channels * height * width, num_classes)
