"""Layers of finite networks in the parametrization of the kernels: parameters are of order one at every width."""

import math

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn


class ScaledLinear(nn.Linear):
    """Linear layer with standard normal weights times ``w_std`` / sqrt(fan-in) and standard normal biases times ``b_std``."""

    def __init__(self, fan_in: int, fan_out: int, w_std: float, b_std: float) -> None:
        self.w_scale, self.b_std = w_std / math.sqrt(fan_in), b_std
        super().__init__(fan_in, fan_out)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        nn.init.normal_(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.w_scale * self.weight, self.b_std * self.bias)


class ScaledConv(nn.Conv2d):
    """Zero-padded 3x3 convolution with weights and biases as in `ScaledLinear`; the fan-in counts the padding."""

    def __init__(self, fan_in: int, fan_out: int, w_std: float, b_std: float) -> None:
        self.w_scale, self.b_std = w_std / math.sqrt(9 * fan_in), b_std
        super().__init__(fan_in, fan_out, 3, padding=1)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        assert self.bias is not None  # nn.Conv2d has biases by default
        nn.init.normal_(self.bias)

    def forward(self, images: Tensor) -> Tensor:
        assert self.bias is not None
        return F.conv2d(images, self.w_scale * self.weight, self.b_std * self.bias, padding=1)
