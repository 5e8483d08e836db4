"""Expectations of a ReLU of Gaussian signals, against integrals, closed forms and numerical gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor

from condensation.networks.ntk.relu import relu_expectations

EXACT = {"rtol": 0.0, "atol": 1e-12}


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("cosine", [-0.9, -0.3, 0.0, 0.4, 0.95])
def test_it_equals_the_integral_over_both_signals(cosine: float) -> None:
    var_u, var_v = 2.0, 0.5
    points = np.linspace(-7, 7, 1401)
    first, second = np.meshgrid(points, points)
    density = np.exp(-(first**2 + second**2) / 2) / (2 * math.pi) * (points[1] - points[0]) ** 2
    u = math.sqrt(var_u) * first
    v = math.sqrt(var_v) * (cosine * first + math.sqrt(1 - cosine**2) * second)
    kernel, slopes = relu_expectations(tensor(cosine * math.sqrt(var_u * var_v)), tensor(var_u), tensor(var_v))
    assert float(kernel) == pytest.approx(float((u.clip(0) * v.clip(0) * density).sum()), abs=1e-4)
    assert float(slopes) == pytest.approx(float(((u > 0) * (v > 0) * density).sum()), abs=3e-3)


@given(st.floats(-1, 1), st.floats(0.1, 9), st.floats(0.1, 9))
def test_it_equals_the_arc_cosine_kernel(cosine: float, var_u: float, var_v: float) -> None:
    angle, length = math.acos(cosine), math.sqrt(var_u * var_v)
    kernel, slopes = relu_expectations(tensor(cosine * length), tensor(var_u), tensor(var_v))
    assert float(kernel) == pytest.approx(length * (math.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi), abs=1e-6)
    assert float(slopes) == pytest.approx((math.pi - angle) / (2 * math.pi), abs=1e-6)


def test_a_signal_with_itself_keeps_half_of_its_variance() -> None:
    kernel, slopes = relu_expectations(tensor(1.7), tensor(1.7), tensor(1.7))
    torch.testing.assert_close(kernel, tensor(0.85), **EXACT)
    torch.testing.assert_close(slopes, tensor(0.5), **EXACT)


def test_opposite_signals_give_zero() -> None:
    kernel, slopes = relu_expectations(tensor(-1.7), tensor(1.7), tensor(1.7))
    torch.testing.assert_close(torch.cat([kernel, slopes]), tensor(0, 0), **EXACT)


def step_by_step(covariance: Tensor, var_u: Tensor, var_v: Tensor) -> tuple[Tensor, Tensor]:
    """The formulas, with the gradient by autograd."""
    length = (var_u * var_v).sqrt()
    cosine = covariance / length
    angle = cosine.arccos()
    return length * ((1 - cosine.square()).sqrt() + (math.pi - angle) * cosine) / (2 * math.pi), (math.pi - angle) / (2 * math.pi)


def test_values_and_gradients_equal_those_of_the_formulas() -> None:
    draws = torch.Generator().manual_seed(0)
    var_u, var_v = (0.2 + torch.rand(shape, dtype=torch.float64, generator=draws) for shape in ((5, 1, 3), (1, 4, 3)))
    covariance = (var_u * var_v).sqrt() * (1.9 * torch.rand(5, 4, 3, dtype=torch.float64, generator=draws) - 0.95)
    weights = torch.rand(2, 5, 4, 3, dtype=torch.float64, generator=draws)
    values = [value.requires_grad_() for value in (covariance.detach(), var_u, var_v)]
    results = []
    for function in (relu_expectations, step_by_step):
        kernel, slopes = function(*values)
        results.append((kernel, slopes, *torch.autograd.grad((weights[0] * kernel + weights[1] * slopes).sum(), values)))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True), (True, False, True)])
def test_only_the_requested_gradients_are_computed(needed: tuple[bool, bool, bool]) -> None:
    values = [tensor(number).requires_grad_(wanted) for number, wanted in zip((0.3, 1.1, 0.7), needed, strict=True)]
    everything = [value.detach().clone().requires_grad_() for value in values]
    (relu_expectations(*values)[0] + relu_expectations(*values)[1]).sum().backward()
    (relu_expectations(*everything)[0] + relu_expectations(*everything)[1]).sum().backward()
    for value, same in zip(values, everything, strict=True):
        assert value.grad is None if not value.requires_grad else torch.equal(value.grad, same.grad)  # type: ignore[arg-type]


def test_gradients_check_out() -> None:
    values = [tensor(0.3, -0.2, 0.9, -1.3), tensor(1.1, 0.7, 2.0, 1.5), tensor(0.4, 1.3, 0.8, 2.1)]
    assert torch.autograd.gradcheck(relu_expectations, [value.requires_grad_() for value in values])


@pytest.mark.parametrize("signals", [(2.0, 2.0, 2.0), (-2.0, 2.0, 2.0), (0.0, 0.0, 3.0), (0.0, 0.0, 0.0)])
def test_gradients_are_finite_at_the_kinks(signals: tuple[float, float, float]) -> None:
    values = [tensor(signal).requires_grad_() for signal in signals]
    kernel, slopes = relu_expectations(*values)
    gradients = torch.autograd.grad((kernel + slopes).sum(), values)
    assert all(gradient.isfinite().all() for gradient in gradients)
