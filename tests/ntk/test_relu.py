"""What a ReLU does to Gaussian signals, against integrals and against its own gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from condensation.ntk.relu import rectified

EXACT = {"rtol": 0.0, "atol": 1e-12}


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("cosine", [-0.9, -0.3, 0.0, 0.4, 0.95])
def test_it_is_the_integral_over_both_signals(cosine: float) -> None:
    one, other = 2.0, 0.5
    points = np.linspace(-7, 7, 1401)
    first, second = np.meshgrid(points, points)
    density = np.exp(-(first**2 + second**2) / 2) / (2 * math.pi) * (points[1] - points[0]) ** 2
    u = math.sqrt(one) * first
    v = math.sqrt(other) * (cosine * first + math.sqrt(1 - cosine**2) * second)
    kernel, slopes = rectified(tensor(cosine * math.sqrt(one * other)), tensor(one), tensor(other))
    assert float(kernel) == pytest.approx(float((u.clip(0) * v.clip(0) * density).sum()), abs=1e-4)
    assert float(slopes) == pytest.approx(float(((u > 0) * (v > 0) * density).sum()), abs=3e-3)


@given(st.floats(-1, 1), st.floats(0.1, 9), st.floats(0.1, 9))
def test_it_is_the_arc_cosine_kernel(cosine: float, one: float, other: float) -> None:
    angle, length = math.acos(cosine), math.sqrt(one * other)
    kernel, slopes = rectified(tensor(cosine * length), tensor(one), tensor(other))
    assert float(kernel) == pytest.approx(length * (math.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi), abs=1e-6)
    assert float(slopes) == pytest.approx((math.pi - angle) / (2 * math.pi), abs=1e-6)


def test_of_a_signal_with_itself_half_is_left() -> None:
    kernel, slopes = rectified(tensor(1.7), tensor(1.7), tensor(1.7))
    torch.testing.assert_close(kernel, tensor(0.85), **EXACT)
    torch.testing.assert_close(slopes, tensor(0.5), **EXACT)


def test_of_opposite_signals_nothing_is_left() -> None:
    kernel, slopes = rectified(tensor(-1.7), tensor(1.7), tensor(1.7))
    torch.testing.assert_close(torch.cat([kernel, slopes]), tensor(0, 0), **EXACT)


def step_by_step(covariance: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """As the formulas say it, the gradient left to torch."""
    length = (one * other).sqrt()
    cosine = covariance / length
    angle = cosine.arccos()
    return length * ((1 - cosine.square()).sqrt() + (math.pi - angle) * cosine) / (2 * math.pi), (math.pi - angle) / (2 * math.pi)


def test_it_is_what_the_formulas_say_and_so_are_its_gradients() -> None:
    draws = torch.Generator().manual_seed(0)
    one, other = (0.2 + torch.rand(shape, dtype=torch.float64, generator=draws) for shape in ((5, 1, 3), (1, 4, 3)))
    covariance = (one * other).sqrt() * (1.9 * torch.rand(5, 4, 3, dtype=torch.float64, generator=draws) - 0.95)
    weights = torch.rand(2, 5, 4, 3, dtype=torch.float64, generator=draws)
    values = [value.requires_grad_() for value in (covariance.detach(), one, other)]
    results = []
    for function in (rectified, step_by_step):
        kernel, slopes = function(*values)
        results.append((kernel, slopes, *torch.autograd.grad((weights[0] * kernel + weights[1] * slopes).sum(), values)))
    for mine, plain in zip(*results, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True), (True, False, True)])
def test_only_the_gradients_that_are_asked_for_are_worked_out(needed: tuple[bool, bool, bool]) -> None:
    values = [tensor(one).requires_grad_(wanted) for one, wanted in zip((0.3, 1.1, 0.7), needed, strict=True)]
    everything = [value.detach().clone().requires_grad_() for value in values]
    (rectified(*values)[0] + rectified(*values)[1]).sum().backward()
    (rectified(*everything)[0] + rectified(*everything)[1]).sum().backward()
    for value, same in zip(values, everything, strict=True):
        assert value.grad is None if not value.requires_grad else torch.equal(value.grad, same.grad)  # type: ignore[arg-type]


def test_gradients_are_right() -> None:
    values = [tensor(0.3, -0.2, 0.9, -1.3), tensor(1.1, 0.7, 2.0, 1.5), tensor(0.4, 1.3, 0.8, 2.1)]
    assert torch.autograd.gradcheck(rectified, [one.requires_grad_() for one in values])


@pytest.mark.parametrize("signals", [(2.0, 2.0, 2.0), (-2.0, 2.0, 2.0), (0.0, 0.0, 3.0), (0.0, 0.0, 0.0)])
def test_gradients_are_finite_where_there_is_a_kink(signals: tuple[float, float, float]) -> None:
    values = [tensor(one).requires_grad_() for one in signals]
    kernel, slopes = rectified(*values)
    gradients = torch.autograd.grad((kernel + slopes).sum(), values)
    assert all(gradient.isfinite().all() for gradient in gradients)
