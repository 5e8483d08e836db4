"""What a ReLU does to Gaussian signals: the arc-cosine kernels of degree 1 and 0 (Cho and Saul, 2009)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# Signals whose angle is below about the root of this are the same signal: the angle has a kink there, and its gradient is taken as zero.
SAME = 1e-14


def rectified(covariance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """E[relu(u) relu(v)] and E[relu'(u) relu'(v)] of normal u and v of mean zero, with gradients.

    ``covariance`` is theirs, ``one`` and ``other`` are the variances of u and of v, which are broadcast to it. With the angle
    t = arccos(covariance / sqrt(one other)), they are sqrt(one other) (sin t + (pi - t) cos t) / 2 pi and (pi - t) / 2 pi.
    """
    found: tuple[Tensor, Tensor] = _Rectified.apply(covariance, one, other)  # type: ignore[no-untyped-call]
    return found


class _Rectified(torch.autograd.Function):
    """With the gradient written out, since that of each single operation goes through memory three times as often."""

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        product = one * other
        gap = torch.addcmul(product, covariance, covariance, value=-1)
        sine = gap.masked_fill_(gap <= SAME * product, 0).sqrt_()  # sqrt(one other) sin t
        left = torch.atan2(sine, covariance).neg_().add_(math.pi)
        ctx.save_for_backward(covariance, one, other, sine, left)
        return torch.addcmul(sine, left, covariance).div_(2 * math.pi), left / (2 * math.pi)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # d kernel = left / 2 pi d covariance + sine / (4 pi product) d product, and sine times d slopes = 1 / 2 pi d covariance
        # - covariance / (4 pi product) d product. Where the sine is zero, d slopes is taken as zero.
        covariance, one, other, sine, left = ctx.saved_tensors
        of_kernel, of_slopes = gradients
        over_sine = torch.where(sine > 0, of_slopes / sine, 0)
        of_covariance = torch.addcmul(over_sine, of_kernel, left).div_(2 * math.pi) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return of_covariance, None, None
        product = one * other
        change = (of_kernel * sine).addcmul_(over_sine, covariance, value=-1).div_(4 * math.pi)
        # A signal that is always zero has no gradient of its own.
        change = torch.where(product > 0, change / product, 0)
        of_one = (change * other).sum_to_size(one.shape) if ctx.needs_input_grad[1] else None
        of_other = change.mul_(one).sum_to_size(other.shape) if ctx.needs_input_grad[2] else None
        return of_covariance, of_one, of_other
