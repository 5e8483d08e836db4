"""Distances of gradients, against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from condensation.matching.gradient_distances import DISTANCES, global_cosine, layerwise_cosine, squared_difference

EXACT = {"rtol": 0.0, "atol": 1e-12}


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def random(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(4, 3, 3, 3), (4,), (4, 2, 2), (4, 2, 2), (5, 16), (5,)]
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]


def test_a_linear_layer_is_compared_row_by_row() -> None:
    # 1 - 24 / (25 + 1e-6) for the first row, 1 for the second, whose vectors are orthogonal.
    distance = layerwise_cosine([tensor([[3, 4], [1, 0]])], [tensor([[4, 3], [0, 2]])])
    torch.testing.assert_close(distance, tensor(1 - 24 / 25.000001 + 1), **EXACT)


def test_a_convolution_is_compared_output_by_output() -> None:
    one, other = torch.zeros(2, 2, 3, 3, dtype=torch.float64), torch.zeros(2, 2, 3, 3, dtype=torch.float64)
    one[0, 0, 0, 0], one[0, 1, 2, 2], one[1, 0, 1, 1] = 1, 1, 2
    other[0, 0, 0, 0], other[1, 0, 1, 1] = 5, -3
    expected = (1 - 5 / (5 * math.sqrt(2) + 1e-6)) + (1 + 6 / (6 + 1e-6))
    torch.testing.assert_close(layerwise_cosine([one], [other]), tensor(expected), **EXACT)


def test_a_layer_norm_is_compared_channel_by_channel() -> None:
    one = tensor([[[1, 0], [0, 0]], [[0, 0], [0, 1]]])
    other = tensor([[[1, 0], [0, 1]], [[0, 0], [0, 7]]])
    expected = (1 - 1 / (math.sqrt(2) + 1e-6)) + (1 - 7 / (7 + 1e-6))
    torch.testing.assert_close(layerwise_cosine([one], [other]), tensor(expected), **EXACT)


def test_layerwise_cosine_ignores_biases_and_scales() -> None:
    assert layerwise_cosine([tensor([1, 2]), tensor(3)], [tensor([-1, 5]), tensor(4)]) == 0


def test_layers_are_summed() -> None:
    one, other = random(0), random(1)
    parts = [layerwise_cosine([x], [y]) for x, y in zip(one, other, strict=True)]
    torch.testing.assert_close(layerwise_cosine(one, other), sum(parts))


def test_squared_difference_is_summed_over_all_parameters() -> None:
    distance = squared_difference([tensor([[1, 2]]), tensor([3])], [tensor([[0, 4]]), tensor([6])])
    assert distance == 1 + 4 + 9


def test_global_cosine_takes_all_parameters_as_one_vector() -> None:
    distance = global_cosine([tensor([[3, 0]]), tensor([4])], [tensor([[4, 0]]), tensor([3])])
    torch.testing.assert_close(distance, tensor(1 - 24 / 25.000001), **EXACT)


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_can_be_vmapped_over_classes_and_are_symmetric(name: str) -> None:
    distance = DISTANCES[name]
    ones, others = [random(0), random(1), random(2)], [random(3), random(4), random(5)]
    one_by_one = torch.stack([distance(one, other) for one, other in zip(ones, others, strict=True)])
    together = vmap(distance)(*([torch.stack(parts) for parts in zip(*gradients, strict=True)] for gradients in (ones, others)))
    torch.testing.assert_close(together, one_by_one)
    torch.testing.assert_close(distance(others[0], ones[0]), one_by_one[0])


@pytest.mark.parametrize("name", DISTANCES)
def test_a_zero_gradient_gives_finite_values(name: str) -> None:
    zero = [torch.zeros(3, 4, requires_grad=True), torch.zeros(3, requires_grad=True)]
    value = DISTANCES[name]([torch.ones(3, 4), torch.ones(3)], zero)
    value.backward()
    assert value.isfinite()
    assert all(part.grad is None or part.grad.isfinite().all() for part in zero)


@pytest.mark.parametrize("name", DISTANCES)
def test_gradients_are_exact(name: str) -> None:
    real, synthetic = random(0), [part.requires_grad_() for part in random(1)]
    assert torch.autograd.gradcheck(lambda *parts: DISTANCES[name](real, parts), synthetic)
