"""LeNet-5 with ReLU and max-pooling."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import Stack, extra_padding, require_pixels


@dataclass(frozen=True)
class LeNet(NetworkSpec):
    """Two 5x5 convolutions (6, 16) and two hidden linear layers (120, 84); the embedding is the second of these."""

    name: ClassVar[str] = "lenet"

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        channels, *sides = image_shape
        padding = extra_padding(image_shape)
        require_pixels("LeNet", image_shape, 16 - 2 * padding)
        height, width = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in sides)
        layers: list[nn.Module] = [nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()]
        layers += [nn.Linear(16 * height * width, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True)]
        return Stack(layers, 84, num_classes)
