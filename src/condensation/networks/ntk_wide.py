"""Finite networks in the parametrisation of the tangent kernels: what a kernel's sets are transferred to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from condensation.core.images import Shape
from condensation.networks.base import NetworkSpec
from condensation.networks.layers import Stack, require_positive
from condensation.ntk.base import NTK
from condensation.ntk.finite import ScaledLinear
from condensation.ntk.fully_connected import FullyConnected


@dataclass(frozen=True)
class Wide(NetworkSpec):
    """The network of which ``kernel`` is the limit, with ``width`` units or channels a layer, without norm, all weights standard normal.

    In this parametrisation the rates that suit it do not depend on the width, and are larger than a ConvNet's:
    `condensation.evaluation.kernel_ridge.wide_recipe` has them.
    """

    name: ClassVar[str] = "wide"
    kernel: NTK = FullyConnected()
    width: int = 1024  # published for the transfer of KIP's sets

    def __post_init__(self) -> None:
        require_positive("The width of a network", self.width)

    def layers(self, image_shape: Shape, num_classes: int) -> Stack:
        self.kernel.check(image_shape)
        hidden = self.kernel.hidden(image_shape, self.width)
        with torch.no_grad():
            dims = torch.nn.Sequential(*hidden)(torch.zeros(1, *image_shape)).shape[1]
        network = Stack(hidden, dims, num_classes)
        network.classifier = ScaledLinear(dims, num_classes, self.kernel.w_std, self.kernel.b_std)
        return network
