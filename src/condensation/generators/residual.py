"""Residual blocks that critics and encoders share, and the trunk that they make up."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from condensation.generators.channels_last import to_channels_last

SMALLEST_MAP = 8  # pixels; the trunk halves an image until its side is no more than this


class DownBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; all is halved by average pooling at the end where ``halve``.

    The ``first`` block sees the image itself, and so begins without a ReLU and pools before its shortcut's convolution.
    """

    def __init__(self, inputs: int, outputs: int, *, first: bool = False, halve: bool = False) -> None:
        super().__init__()
        self.first, self.halve = first, halve
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if halve or inputs != outputs else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        inner = features if self.first else relu(features)
        inner = self._halved(self.conv2(relu(self.conv1(inner))))
        beside = self.shortcut(self._halved(features)) if self.first else self._halved(self.shortcut(features))
        result: Tensor = inner + beside
        return result

    def _halved(self, features: Tensor) -> Tensor:
        return avg_pool2d(features, 2) if self.halve else features


class Trunk(nn.Module):
    """Blocks of ``width`` channels: some that halve the image to 8 pixels or less, then ``depth`` that do not.

    At 32 pixels and depth 2 it is the critic of BigGAN for CIFAR, and the encoder of DC-VAE.
    """

    def __init__(self, channels: int, side: int, width: int, depth: int) -> None:
        super().__init__()
        blocks: list[DownBlock] = []
        while not blocks or side > SMALLEST_MAP:
            blocks.append(DownBlock(width if blocks else channels, width, first=not blocks, halve=True))
            side //= 2
        self.blocks = nn.ModuleList([*blocks, *(DownBlock(width, width) for _ in range(depth))])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The map (n, width, h, w) of the first block, and features (n, width): the last ones after a ReLU, summed over the map."""
        first: Tensor = self.blocks[0](to_channels_last(images))
        features = first
        for block in list(self.blocks)[1:]:
            features = block(features)
        return first, relu(features).sum((2, 3))
