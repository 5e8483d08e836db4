"""Spectral norm, against the singular values of the whole matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from condensation import Rng
from condensation.generators.spectral_norm import add_spectral_norm, largest_singular


def matrix(seed: int = 0) -> Tensor:
    return torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def converged(weight: Tensor) -> Tensor:
    left = torch.ones(len(weight), dtype=weight.dtype)
    for _ in range(2_000):
        _, left = largest_singular(weight, left)
    return left


def normalised(layer: nn.Module) -> nn.Module:
    network = nn.ModuleList([layer]).double()
    add_spectral_norm(network, Rng(0), type(layer))
    return network.double()[0]


def test_power_iteration_converges_to_the_largest_singular_value() -> None:
    value, _ = largest_singular(matrix(), converged(matrix()))
    torch.testing.assert_close(value, torch.linalg.matrix_norm(matrix(), 2))


def test_the_gradient_equals_that_of_the_exact_norm() -> None:
    weight = matrix().requires_grad_()
    probe = matrix(1)
    value, _ = largest_singular(weight, converged(weight.detach()))
    (ours,) = torch.autograd.grad((weight / value * probe).sum(), weight)
    (exact,) = torch.autograd.grad((weight / torch.linalg.matrix_norm(weight, 2) * probe).sum(), weight)
    torch.testing.assert_close(ours, exact)


def test_gradients_are_exact_with_a_constant_vector() -> None:
    left = converged(matrix())
    assert torch.autograd.gradcheck(lambda weight: weight / largest_singular(weight, left)[0], (matrix().requires_grad_(),))


def test_weights_converge_to_norm_one() -> None:
    for layer in (nn.Conv2d(3, 4, 3), nn.Linear(6, 4), nn.Embedding(3, 5)):
        one = normalised(layer)
        for _ in range(500):
            weight = one.weight
        torch.testing.assert_close(torch.linalg.matrix_norm(weight.detach().flatten(1), 2), torch.ones((), dtype=torch.float64))


def test_only_training_mode_updates_the_vector() -> None:
    one = normalised(nn.Linear(6, 4))
    vector = one.parametrizations.weight[0].left
    before = vector.clone()
    one.eval()
    assert torch.equal(one.weight, one.weight)
    assert torch.equal(vector, before)
    one.train()
    assert not torch.equal(one.weight, one.weight)
    assert not torch.equal(vector, before)


def test_other_layers_are_not_changed() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Conv2d(1, 1, 1))
    add_spectral_norm(network, Rng(0), nn.Linear)
    assert hasattr(network[0], "parametrizations")
    assert not hasattr(network[1], "parametrizations")
