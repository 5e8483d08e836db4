"""AlexNet for small images: five convolutions, three poolings, one linear layer."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import NORMS, Stack, pooled_convolutions, require_choice

Norm = Literal["none", "batch"]
LAYERS = ((128, 5, True), (192, 5, True), (256, 3, False), (192, 3, False), (192, 3, True))  # output channels, kernel, max pooling


@dataclass(frozen=True)
class AlexNet(NetworkSpec):
    """Five convolutions with ReLU; the embedding is the output of the last one, pooled and flattened."""

    name: ClassVar[str] = "alexnet"
    norm: Norm = "none"
    """Norm after each convolution: none or batch."""

    def __post_init__(self) -> None:
        require_choice(self, "norm", get_args(Norm))

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        return pooled_convolutions("AlexNet", LAYERS, NORMS[self.norm], image_shape, num_classes)
