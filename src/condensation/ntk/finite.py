"""Layers of finite networks in the parametrisation of the kernels: what is drawn and learned is of order one, whatever the width."""

from __future__ import annotations

import math

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn


class ScaledLinear(nn.Linear):
    """Standard normal weights times ``w_std`` / sqrt(fan-in), and standard normal biases times ``b_std``."""

    def __init__(self, fan_in: int, fan_out: int, w_std: float, b_std: float) -> None:
        self.w_scale, self.b_std = w_std / math.sqrt(fan_in), b_std
        super().__init__(fan_in, fan_out)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        nn.init.normal_(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.w_scale * self.weight, self.b_std * self.bias)


class ScaledConv(nn.Conv2d):
    """The same as a 3x3 convolution with zeros around the image; the fan-in counts those zeros."""

    def __init__(self, fan_in: int, fan_out: int, w_std: float, b_std: float) -> None:
        self.w_scale, self.b_std = w_std / math.sqrt(9 * fan_in), b_std
        super().__init__(fan_in, fan_out, 3, padding=1)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        assert self.bias is not None  # which it has unless it is asked for without
        nn.init.normal_(self.bias)

    def forward(self, images: Tensor) -> Tensor:
        assert self.bias is not None
        return F.conv2d(images, self.w_scale * self.weight, self.b_std * self.bias, padding=1)
