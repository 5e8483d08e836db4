"""Finite networks in the NTK parametrization, for evaluating sets that were condensed with a kernel."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import Stack, require_positive
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.finite import ScaledLinear
from condensation.networks.ntk.fully_connected import FullyConnected


@dataclass(frozen=True)
class Wide(NetworkSpec):
    """The network of finite width whose infinite-width limit is ``kernel``: no norm, standard normal weights.

    The learning rate does not depend on the width; see `condensation.evaluation.kernel_ridge.wide_recipe`.
    """

    name: ClassVar[str] = "wide"
    kernel: NTK = FullyConnected()
    """Tangent kernel that determines the architecture."""
    width: int = 1024
    """Units or channels of each hidden layer; at least 1. KIP's authors use 1024."""

    def __post_init__(self) -> None:
        require_positive(self, "width")

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        self.kernel.validate(image_shape)
        hidden = self.kernel.hidden_layers(image_shape, self.width)
        with torch.no_grad():
            dims = torch.nn.Sequential(*hidden)(torch.zeros(1, *image_shape)).shape[1]
        network = Stack(hidden, dims, num_classes)
        network.classifier = ScaledLinear(dims, num_classes, self.kernel.w_std, self.kernel.b_std)
        return network
