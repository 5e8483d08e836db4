"""VGG11 for small images, with one linear layer on top."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import NORMS, Stack, pooled_convolutions, require_choice

Norm = Literal["instance", "batch"]
# Output channels, kernel, max pooling.
LAYERS = ((64, 3, True), (128, 3, True), (256, 3, False), (256, 3, True), (512, 3, False), (512, 3, True), (512, 3, False), (512, 3, True))


@dataclass(frozen=True)
class VGG11(NetworkSpec):
    """Eight 3x3 convolutions in five stages; the embedding is the last stage flattened, 512 features at 32 pixels."""

    name: ClassVar[str] = "vgg11"
    norm: Norm = "instance"
    """Norm after each convolution: instance or batch."""

    def __post_init__(self) -> None:
        require_choice(self, "norm", get_args(Norm))

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        return pooled_convolutions("VGG11", LAYERS, NORMS[self.norm], image_shape, num_classes)
