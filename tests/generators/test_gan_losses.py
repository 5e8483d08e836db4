"""Losses against values computed by hand and numerical gradients in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence

from condensation.generators.gan_losses import generator_loss, hinge_loss_fake, hinge_loss_real, info_nce, kl_to_standard_normal


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_hinge_loss_of_real_images() -> None:
    assert hinge_loss_real(tensor(3, 1, 0, -1)) == (0 + 0 + 1 + 2) / 4


def test_hinge_loss_of_generated_images() -> None:
    assert hinge_loss_fake(tensor(-3, -1, 0, 1)) == (0 + 0 + 1 + 2) / 4


def test_the_generator_loss_is_the_negative_mean_score() -> None:
    assert generator_loss(tensor(3, -1)) == -1


def test_gradients_of_the_adversarial_losses_are_exact() -> None:
    for loss in (hinge_loss_real, hinge_loss_fake, generator_loss):
        assert gradcheck(loss, (random(7),))


def test_kl_equals_that_of_torch_distributions() -> None:
    mean, log_variance = random(4, 3), random(4, 3, seed=1)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(tensor(0), tensor(1))).sum()
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), expected)


def test_gradients_of_the_kl_are_exact() -> None:
    assert gradcheck(kl_to_standard_normal, (random(4, 3), random(4, 3, seed=1)))


def test_info_nce_is_the_cross_entropy_of_the_positive_key() -> None:
    queries, keys = tensor(2, 0, 0, 3).view(2, 2), tensor(1, 0, 1, 1).view(2, 2)
    others = tensor(0, 1, -1, 0).view(2, 2)
    first = math.log(math.exp(1 / 0.5) + math.exp(0) + math.exp(-1 / 0.5)) - 1 / 0.5
    own = math.sqrt(0.5) / 0.5
    second = math.log(math.exp(own) + math.exp(1 / 0.5) + math.exp(0)) - own
    torch.testing.assert_close(info_nce(queries, keys, others, 0.5), tensor((first + second) / 2)[0])


def test_info_nce_ignores_lengths() -> None:
    queries, keys, others = random(4, 3), random(4, 3, seed=1), random(6, 3, seed=2)
    torch.testing.assert_close(info_nce(queries, keys, others, 0.1), info_nce(5 * queries, 7 * keys, others, 0.1))


def test_gradients_of_info_nce_are_exact() -> None:
    others = random(6, 3, seed=2).detach()
    assert gradcheck(lambda queries: info_nce(queries, random(4, 3, seed=1).detach(), others, 0.5), (random(4, 3),))
