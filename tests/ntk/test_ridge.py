"""Kernel ridge regression and solved labels, against the plain formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from condensation import Rng
from condensation.ntk.fully_connected import FullyConnected
from condensation.ntk.gram import gram
from condensation.ntk.ridge import NotPositiveDefinite, predictions, solved_labels

KERNEL, REG = FullyConnected(), 1e-3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return Rng(seed).normal(shape).double()


def matrices() -> tuple[Tensor, Tensor]:
    few, many = normal(4, 1, 3, 3), normal(20, 1, 3, 3, seed=1)
    return gram(KERNEL, many, few), gram(KERNEL, few, few)


def inverse(of_set: Tensor) -> Tensor:
    return torch.linalg.inv(of_set + REG * of_set.trace() / len(of_set) * torch.eye(len(of_set), dtype=torch.float64))


def test_predictions_are_the_formula() -> None:
    across, of_set = matrices()
    labels = normal(4, 3, seed=2)
    torch.testing.assert_close(predictions(across, of_set, labels, REG), across @ inverse(of_set) @ labels, rtol=1e-9, atol=1e-12)


def test_of_its_own_images_the_set_says_its_labels() -> None:
    _, of_set = matrices()
    labels = normal(4, 3, seed=2)
    torch.testing.assert_close(predictions(of_set, of_set, labels, 1e-12), labels, rtol=1e-6, atol=1e-8)


def test_their_gradients_are_right() -> None:
    few, many, labels = normal(4, 1, 3, 3).requires_grad_(), normal(5, 1, 3, 3, seed=1), normal(4, 3, seed=2).requires_grad_()

    def loss(few: Tensor, labels: Tensor) -> Tensor:
        said = predictions(gram(KERNEL, many, few), gram(KERNEL, few, few), labels, REG)
        return (said - 1).square().mean() / 2

    assert torch.autograd.gradcheck(loss, [few, labels])


@pytest.mark.parametrize("pieces", [20, 7, 3])
def test_solved_labels_are_the_pseudo_inverse(pieces: int) -> None:
    across, of_set = matrices()
    wanted = normal(20, 3, seed=3)
    some = zip(across.split(pieces), wanted.split(pieces), strict=True)
    expected = torch.linalg.pinv(across @ inverse(of_set)) @ wanted
    torch.testing.assert_close(solved_labels(some, of_set, REG), expected, rtol=1e-8, atol=1e-10)


def test_no_labels_say_it_better_than_the_solved_ones() -> None:
    across, of_set = matrices()
    wanted = normal(20, 3, seed=3)
    best = solved_labels([(across, wanted)], of_set, REG)
    error = (predictions(across, of_set, best, REG) - wanted).square().sum()
    for seed in range(5):
        other = best + 1e-3 * normal(4, 3, seed=10 + seed)
        assert (predictions(across, of_set, other, REG) - wanted).square().sum() > error


@pytest.mark.parametrize("reg", [0.0, 1e-18])
def test_a_matrix_that_cannot_be_solved_with_names_the_regularisation(reg: float) -> None:
    ones = torch.ones(3, 3, dtype=torch.float64)
    with pytest.raises(NotPositiveDefinite, match=rf"3 images with reg {reg:g} times(.|\n)*not positive definite(.|\n)*larger reg; 1e-6"):
        predictions(ones, ones - 1e-9 * torch.eye(3), ones, reg)
