"""Moving averages and frozen networks."""

from __future__ import annotations

import torch
from torch import nn

from condensation.generators.ema import frozen, update_ema


def network(value: float) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(2)
    nn.init.constant_(norm.weight, value)
    nn.init.constant_(norm.running_mean, 10 * value)
    norm.num_batches_tracked.fill_(int(value))
    return norm


def test_parameters_and_buffers_are_averaged_and_counts_copied() -> None:
    average = network(1)
    update_ema(average, network(3), 0.75)
    assert average.weight.tolist() == [1.5, 1.5]
    assert average.running_mean.tolist() == [15, 15]
    assert average.num_batches_tracked == 3


def test_buffers_can_have_their_own_decay() -> None:
    taken, left = network(1), network(1)
    update_ema(taken, network(3), 0.75, 0.0)
    update_ema(left, network(3), 0.75, 1.0)
    assert taken.running_mean.tolist() == [30, 30]
    assert left.running_mean.tolist() == [10, 10]


def test_gradients_pass_through_a_frozen_network() -> None:
    layer, fixed = nn.Linear(2, 1), nn.Linear(1, 1)
    fixed.bias.requires_grad_(False)
    with frozen(layer):
        images = torch.ones(1, 2, requires_grad=True)
        layer(images).sum().backward()
    assert images.grad is not None
    assert layer.weight.grad is None
    assert layer.weight.requires_grad
    with frozen(fixed):
        assert not fixed.weight.requires_grad
    assert not fixed.bias.requires_grad
