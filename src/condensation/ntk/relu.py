"""What a ReLU does to Gaussian signals: the arc-cosine kernels of degree 1 and 0 (Cho and Saul, 2009)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Signals whose angle is below about the root of this are the same signal: the angle has a kink there, and its gradient is taken as zero.
SAME = 1e-14


def rectified(covariance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """E[relu(u) relu(v)] and E[relu'(u) relu'(v)] of normal u and v of mean zero, with gradients.

    ``covariance`` is theirs, ``one`` and ``other`` are the variances of u and of v; the three have a common shape by broadcasting.
    With the angle t = arccos(covariance / sqrt(one other)), they are sqrt(one other) (sin t + (pi - t) cos t) / 2 pi and
    (pi - t) / 2 pi.
    """
    product = one * other
    gap = product - covariance.square()
    apart = gap > SAME * product
    opposite = torch.where(apart, gap, 1).sqrt() * apart  # sqrt(one other) sin t
    # A signal that is always zero has no angle to any other; this one gives no infinite gradient.
    angle = torch.atan2(opposite, torch.where(apart | (covariance != 0), covariance, 1))
    left = math.pi - angle
    return (opposite + left * covariance) / (2 * math.pi), left / (2 * math.pi)
