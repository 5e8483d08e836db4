"""Kernel of a fully connected network."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.finite import ScaledLinear
from condensation.networks.ntk.relu import relu_expectations


@dataclass(frozen=True)
class FullyConnected(NTK):
    """Kernel of ``depth`` hidden layers with ReLU on the flattened image; depth 1 is the FC1 of KIP (Nguyen et al., 2021)."""

    name: ClassVar[str] = "fc"

    def variances(self, images: Tensor) -> list[Tensor]:
        variances = [self.after_weights(images.flatten(1).square().mean(1))]
        for _ in range(self.depth - 1):
            variances.append(self.after_weights(variances[-1] / 2))  # a ReLU halves the mean square
        return variances

    def pairs(self, x: Tensor, y: Tensor, x_variances: list[Tensor], y_variances: list[Tensor]) -> Tensor:
        dims = x[0].numel()
        covariance = self.after_weights(x.flatten(1) @ y.flatten(1).T / dims)
        tangent = covariance
        for x_variance, y_variance in zip(x_variances, y_variances, strict=True):
            kernel, slopes = relu_expectations(covariance, x_variance[:, None], y_variance[None])
            covariance = self.after_weights(kernel)
            tangent = covariance + self.w_std**2 * slopes * tangent
        return tangent

    def numbers_per_pair(self, image_shape: Shape) -> int:
        return 1

    def hidden_layers(self, image_shape: Shape, width: int) -> list[nn.Module]:
        channels, height, side = image_shape
        sizes = [channels * height * side, *[width] * self.depth]
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(sizes):
            layers += [ScaledLinear(fan_in, fan_out, self.w_std, self.b_std), nn.ReLU(inplace=True)]
        return layers
