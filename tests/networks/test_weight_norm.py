"""Weight norm and mean-only batch norm, against what they are by definition."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from condensation import Rng
from condensation.networks.weight_norm import MeanOnlyBatchNorm, NormedConv, NormedLinear, WeightNormConvNet

NUMBERS = Rng(5)


def test_weight_norm_equals_that_of_torch() -> None:
    ours, theirs = NormedLinear(6, 4), weight_norm(nn.Linear(6, 4, bias=False))
    theirs.parametrizations.weight.original0.data = 3 * ours.length.detach()[:, None]
    theirs.parametrizations.weight.original1.data = ours.direction.detach()
    ours.length.data *= 3
    features = NUMBERS.normal((5, 6))
    torch.testing.assert_close(ours(features), theirs(features))


def test_the_initial_weight_is_that_of_a_plain_layer() -> None:
    layer = NormedConv(4, 8)
    torch.testing.assert_close(layer.weight, layer.direction)
    assert 0.9 / 6 < layer.weight.abs().max() < 1 / 6


def test_mean_only_batch_norm_shifts_channels_without_scaling() -> None:
    norm = MeanOnlyBatchNorm(3)
    norm.bias.data = torch.tensor([1.0, 0.0, -2.0])
    features = 5 + 2 * NUMBERS.normal((4, 3, 6, 6))
    normed = norm(features)
    torch.testing.assert_close(normed.mean((0, 2, 3)), norm.bias.detach())
    torch.testing.assert_close(normed.std((0, 2, 3)), features.std((0, 2, 3)))


def test_the_running_mean_equals_that_of_batch_norm_and_is_used_in_evaluation() -> None:
    ours, theirs = MeanOnlyBatchNorm(3), nn.BatchNorm2d(3)
    for number in range(4):
        features = 1 + NUMBERS.child(number).normal((4, 3, 6, 6))
        ours(features)
        theirs(features)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    ours.eval()
    torch.testing.assert_close(ours(features), features - ours.running_mean.view(1, 3, 1, 1))  # type: ignore[union-attr]


def test_the_network_matches_its_definition() -> None:
    network = WeightNormConvNet(widths=(4, 6), hidden=5).build((1, 12, 8), 3, Rng(0))
    images = NUMBERS.child("images").normal((7, 1, 12, 8))
    features = images
    weights = [layer.weight for layer in network.modules() if isinstance(layer, NormedConv | NormedLinear)]
    for weight in weights[:2]:
        features = functional.max_pool2d(functional.conv2d(features, weight, padding=1), 3, 2, padding=1)
        features = functional.leaky_relu(features - features.mean((0, 2, 3), keepdim=True), 0.1)
    features = features.flatten(1) @ weights[2].T
    embedding = functional.leaky_relu(features - features.mean(0), 0.1)
    torch.testing.assert_close(network.embed(images), embedding)


def test_evaluation_uses_the_mean_of_the_last_batch() -> None:
    network = WeightNormConvNet(widths=(4, 6), hidden=5).build((1, 12, 8), 3, Rng(0))
    earlier, last = (NUMBERS.child(name).normal((7, 1, 12, 8)) for name in ("earlier", "last"))
    network.train()
    network(earlier)
    learned_from = network(last)
    torch.testing.assert_close(network.eval()(last), learned_from)


def test_it_trains_in_bfloat16() -> None:
    network = WeightNormConvNet(widths=(2, 2), hidden=3).build((1, 8, 8), 3, Rng(0))
    images = torch.randn(4, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        network(images).sum().backward()
    norm = next(module for module in network.modules() if isinstance(module, MeanOnlyBatchNorm))
    assert norm.running_mean is not None
    assert norm.running_mean.dtype == torch.float32
    assert norm.running_mean.abs().sum() > 0
