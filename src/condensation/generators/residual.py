"""Residual blocks of critics and encoders, and the trunk that consists of them."""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from condensation.generators.channels_last import to_channels_last

SMALLEST_MAP = 8  # pixels; the trunk halves an image until its side is at most this


class DownBlock(nn.Module):
    """A residual block of two 3x3 convolutions, with average pooling at the end if ``halve``; the ``first`` block sees the image."""

    def __init__(self, inputs: int, outputs: int, *, first: bool = False, halve: bool = False) -> None:
        super().__init__()
        self.first, self.halve = first, halve
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if halve or inputs != outputs else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        # The first block begins without ReLU and pools before the convolution of its shortcut.
        inner = features if self.first else relu(features)
        inner = self._pool(self.conv2(relu(self.conv1(inner))))
        shortcut = self.shortcut(self._pool(features)) if self.first else self._pool(self.shortcut(features))
        return inner + shortcut

    def _pool(self, features: Tensor) -> Tensor:
        return avg_pool2d(features, 2) if self.halve else features


class Trunk(nn.Module):
    """Halving blocks down to a side of at most 8 pixels, then ``depth`` blocks; with depth 2 the critic of BigGAN for CIFAR10."""

    def __init__(self, channels: int, side: int, width: int, depth: int) -> None:
        super().__init__()
        blocks: list[DownBlock] = []
        while not blocks or side > SMALLEST_MAP:
            blocks.append(DownBlock(width if blocks else channels, width, first=not blocks, halve=True))
            side //= 2
        self.blocks = nn.ModuleList([*blocks, *(DownBlock(width, width) for _ in range(depth))])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map (n, width, h, w) of the first block, and the last map after a ReLU, summed over its pixels: (n, width)."""
        first: Tensor = self.blocks[0](to_channels_last(images))
        features = first
        for block in list(self.blocks)[1:]:
            features = block(features)
        return first, relu(features).sum((2, 3))
