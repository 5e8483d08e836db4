"""Expectations of a ReLU of Gaussian signals: the arc-cosine kernels of degree 1 and 0 (Cho and Saul, 2009)."""

import math
from typing import Any

import torch
from torch import Tensor

# Signals with an angle below about the square root of this are equal: the angle has a kink there, and its gradient is set to zero.
EQUAL = 1e-14


def relu_expectations(covariance: Tensor, var_u: Tensor, var_v: Tensor) -> tuple[Tensor, Tensor]:
    """Return E[relu(u) relu(v)] and E[relu'(u) relu'(v)] for normal u and v of mean zero, with gradients.

    The variances ``var_u`` and ``var_v`` are broadcast to the shape of ``covariance``. With s = sqrt(var_u var_v) and the angle
    t = arccos(covariance / s), the results are s (sin t + (pi - t) cos t) / 2 pi and (pi - t) / 2 pi.
    """
    expectations: tuple[Tensor, Tensor] = _ReluExpectations.apply(covariance, var_u, var_v)  # type: ignore[no-untyped-call]
    return expectations


class _ReluExpectations(torch.autograd.Function):
    """Function with its own backward pass, which reads memory a third as often as autograd would."""

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, var_u: Tensor, var_v: Tensor) -> tuple[Tensor, Tensor]:
        product = var_u * var_v
        gap = torch.addcmul(product, covariance, covariance, value=-1)
        sine = gap.masked_fill_(gap <= EQUAL * product, 0).sqrt_()  # s sin t
        left = torch.atan2(sine, covariance).neg_().add_(math.pi)
        ctx.save_for_backward(covariance, var_u, var_v, sine, left)
        return torch.addcmul(sine, left, covariance).div_(2 * math.pi), left / (2 * math.pi)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # d kernel = left / 2 pi d covariance + sine / (4 pi product) d product, and sine times d slopes = 1 / 2 pi d covariance
        # - covariance / (4 pi product) d product. Where the sine is zero, d slopes is set to zero.
        covariance, var_u, var_v, sine, left = ctx.saved_tensors
        d_kernel, d_slopes = gradients
        over_sine = torch.where(sine > 0, d_slopes / sine, 0)
        d_covariance = torch.addcmul(over_sine, d_kernel, left).div_(2 * math.pi) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return d_covariance, None, None
        product = var_u * var_v
        change = (d_kernel * sine).addcmul_(over_sine, covariance, value=-1).div_(4 * math.pi)
        # A signal that is always zero has no gradient.
        change = torch.where(product > 0, change / product, 0)
        d_var_u = (change * var_v).sum_to_size(var_u.shape) if ctx.needs_input_grad[1] else None
        d_var_v = change.mul_(var_u).sum_to_size(var_v.shape) if ctx.needs_input_grad[2] else None
        return d_covariance, d_var_u, d_var_v
