"""Kernel ridge regression and solved labels, against the formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from condensation import Rng
from condensation.networks.ntk.fully_connected import FullyConnected
from condensation.networks.ntk.gram import gram
from condensation.networks.ntk.ridge import NotPositiveDefinite, ridge_predictions, solved_labels

KERNEL, REG = FullyConnected(), 1e-3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return Rng(seed).normal(shape).double()


def matrices() -> tuple[Tensor, Tensor]:
    few, many = normal(4, 1, 3, 3), normal(20, 1, 3, 3, seed=1)
    return gram(KERNEL, many, few), gram(KERNEL, few, few)


def inverse(kernel: Tensor) -> Tensor:
    return torch.linalg.inv(kernel + REG * kernel.trace() / len(kernel) * torch.eye(len(kernel), dtype=torch.float64))


def test_predictions_are_the_formula() -> None:
    cross_kernel, kernel = matrices()
    labels = normal(4, 3, seed=2)
    torch.testing.assert_close(
        ridge_predictions(cross_kernel, kernel, labels, REG), cross_kernel @ inverse(kernel) @ labels, rtol=1e-9, atol=1e-12
    )


def test_the_set_predicts_the_labels_of_its_own_images() -> None:
    _, kernel = matrices()
    labels = normal(4, 3, seed=2)
    torch.testing.assert_close(ridge_predictions(kernel, kernel, labels, 1e-12), labels, rtol=1e-6, atol=1e-8)


def test_gradients_of_the_predictions_check_out() -> None:
    few, many, labels = normal(4, 1, 3, 3).requires_grad_(), normal(5, 1, 3, 3, seed=1), normal(4, 3, seed=2).requires_grad_()

    def loss(few: Tensor, labels: Tensor) -> Tensor:
        predictions = ridge_predictions(gram(KERNEL, many, few), gram(KERNEL, few, few), labels, REG)
        return (predictions - 1).square().mean() / 2

    assert torch.autograd.gradcheck(loss, [few, labels])


@pytest.mark.parametrize("pieces", [20, 7, 3])
def test_solved_labels_are_the_pseudo_inverse(pieces: int) -> None:
    cross_kernel, kernel = matrices()
    wanted = normal(20, 3, seed=3)
    batches = zip(cross_kernel.split(pieces), wanted.split(pieces), strict=True)
    expected = torch.linalg.pinv(cross_kernel @ inverse(kernel)) @ wanted
    torch.testing.assert_close(solved_labels(batches, kernel, REG), expected, rtol=1e-8, atol=1e-10)


def test_other_labels_have_a_larger_error() -> None:
    cross_kernel, kernel = matrices()
    wanted = normal(20, 3, seed=3)
    best = solved_labels([(cross_kernel, wanted)], kernel, REG)
    error = (ridge_predictions(cross_kernel, kernel, best, REG) - wanted).square().sum()
    for seed in range(5):
        other = best + 1e-3 * normal(4, 3, seed=10 + seed)
        assert (ridge_predictions(cross_kernel, kernel, other, REG) - wanted).square().sum() > error


@pytest.mark.parametrize("reg", [0.0, 1e-18])
def test_a_singular_matrix_raises(reg: float) -> None:
    ones = torch.ones(3, 3, dtype=torch.float64)
    with pytest.raises(NotPositiveDefinite):
        ridge_predictions(ones, ones - 1e-9 * torch.eye(3), ones, reg)
