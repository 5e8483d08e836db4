"""ResNet18 for small images (He et al., 2016), with strided convolutions or with average pooling."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn
from torch.nn.functional import relu

from condensation.core.images import Shape
from condensation.networks.base import PIXEL_LR, Classifier, NetworkSpec
from condensation.networks.layers import NORMS, require_choice, require_pixels

Norm = Literal["instance", "batch"]
Downsampling = Literal["none", "stride", "pool"]  # how a block halves the image: stride of its first convolution, or pooling after it
STAGES = (64, 128, 256, 512)  # output channels; a stage has two blocks, and each stage but the first halves the image


class Block(nn.Module):
    """A residual block of two 3x3 convolutions; the shortcut has a 1x1 convolution if the block halves the image."""

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module], downsampling: Downsampling) -> None:
        super().__init__()
        stride, pool = 2 if downsampling == "stride" else 1, partial(nn.AvgPool2d, 2) if downsampling == "pool" else nn.Identity
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = norm(outputs)
        self.pool = pool()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if downsampling != "none":
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), pool(), norm(outputs))

    def forward(self, images: Tensor) -> Tensor:
        inner = self.pool(relu(self.norm1(self.conv1(images)), inplace=True))
        return relu(self.norm2(self.conv2(inner)) + self.shortcut(images), inplace=True)


class ResidualNetwork(Classifier):
    """A 3x3 convolution without stride, four stages of two blocks, and a final ``pool``."""

    def __init__(
        self, channels: int, norm: Callable[[int], nn.Module], downsampling: Downsampling, pool: nn.Module, dims: int, num_classes: int
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, STAGES[0], 3, padding=1, bias=False)
        self.norm = norm(STAGES[0])
        blocks: list[nn.Module] = []
        inputs = STAGES[0]
        for outputs in STAGES:
            first = Block(inputs, outputs, norm, downsampling if outputs != inputs else "none")
            blocks += [first, Block(outputs, outputs, norm, "none")]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.pool = pool
        self.classifier = nn.Linear(dims, num_classes)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(relu(self.norm(self.conv(images)), inplace=True))
        return self.pool(features).flatten(1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _ResNet18(NetworkSpec):
    norm: Norm = "instance"
    """Norm after each convolution: instance or batch."""
    # With the learning rate of a ConvNet, learned sets are less accurate than random images. The authors of DM advise 0.1 to 0.01
    # instead of 1; on images held out from training, 0.01 was better.
    pixel_lr: ClassVar[float] = PIXEL_LR / 100

    def __post_init__(self) -> None:
        require_choice(self, "norm", get_args(Norm))


@dataclass(frozen=True)
class ResNet18(_ResNet18):
    """ResNet18 without the first pooling; the embedding is the last block averaged over its pixels."""

    name: ClassVar[str] = "resnet18"

    def layers(self, image_shape: Shape, num_classes: int) -> ResidualNetwork:
        # Three halvings, rounded up. Instance norm of a single pixel would give the same result for every image.
        require_pixels(f"ResNet18 with {self.norm} norm", image_shape, {"instance": 9, "batch": 1}[self.norm])
        return ResidualNetwork(image_shape[0], NORMS[self.norm], "stride", nn.AdaptiveAvgPool2d(1), STAGES[-1], num_classes)


@dataclass(frozen=True)
class ResNet18AP(_ResNet18):
    """ResNet18 with average pooling in place of strides; the embedding is the last block flattened.

    Strided convolutions leave a pattern in synthetic images: condense with this network and evaluate with `ResNet18`.
    """

    name: ClassVar[str] = "resnet18-ap"

    def layers(self, image_shape: Shape, num_classes: int) -> ResidualNetwork:
        channels, height, width = image_shape
        # Three halvings, rounded down. Instance norm needs at least two pixels per side, as above.
        require_pixels(f"ResNet18AP with {self.norm} norm", image_shape, {"instance": 16, "batch": 8}[self.norm])
        dims = STAGES[-1] * (height // 8) * (width // 8)
        return ResidualNetwork(channels, NORMS[self.norm], "pool", nn.Identity(), dims, num_classes)
