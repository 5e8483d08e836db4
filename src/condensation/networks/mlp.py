"""A multilayer perceptron on the flattened image."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import Stack, require_positive


@dataclass(frozen=True)
class MLP(NetworkSpec):
    """Two hidden layers with ReLU; the embedding is the second."""

    name: ClassVar[str] = "mlp"
    width: int = 128
    """Units of each hidden layer; at least 1."""

    def __post_init__(self) -> None:
        require_positive(self, "width")

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        first, second = nn.Linear(math.prod(image_shape), self.width), nn.Linear(self.width, self.width)
        hidden = [nn.Flatten(), first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True)]
        return Stack(hidden, self.width, num_classes)
