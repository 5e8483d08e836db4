"""The kernel of a fully connected network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.ntk.base import NTK
from condensation.ntk.finite import ScaledLinear
from condensation.ntk.relu import rectified


@dataclass(frozen=True)
class FullyConnected(NTK):
    """``depth`` hidden layers with ReLU on the flattened image; with one it is the FC1 of KIP (Nguyen et al., 2021)."""

    name: ClassVar[str] = "fc"

    def variances(self, images: Tensor) -> list[Tensor]:
        variance = self.dense(images.flatten(1).square().mean(1))
        found = [variance]
        for _ in range(self.depth - 1):
            found.append(self.dense(found[-1] / 2))  # a ReLU keeps half of a variance
        return found

    def pairs(self, x: Tensor, y: Tensor, of_x: list[Tensor], of_y: list[Tensor]) -> Tensor:
        dims = x[0].numel()
        covariance = self.dense(x.flatten(1) @ y.flatten(1).T / dims)
        tangent = covariance
        for one, other in zip(of_x, of_y, strict=True):
            kernel, slopes = rectified(covariance, one[:, None], other[None])
            covariance = self.dense(kernel)
            tangent = covariance + self.w_std**2 * slopes * tangent
        return tangent

    def entries(self, image_shape: Shape) -> int:
        return 1

    def hidden(self, image_shape: Shape, width: int) -> list[nn.Module]:
        channels, height, side = image_shape
        sizes = [channels * height * side, *[width] * self.depth]
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes):
            layers += [ScaledLinear(fan_in, fan_out, self.w_std, self.b_std), nn.ReLU(inplace=True)]
        return layers
