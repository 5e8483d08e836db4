"""Fully connected generators against single networks."""

import pytest
import torch
from torch import nn

from condensation import Rng
from condensation.generators.base import uniform_latents
from condensation.generators.dense import DenseGenerator

SHAPE = (3, 5, 4)
RNGS = [Rng(0).child(label) for label in (4, 7, 9)]


def made(networks):
    generator = DenseGenerator(SHAPE, 6, (8, 7), 3, networks)
    generator.redraw(RNGS[:networks])
    return generator


def plain(generator, network):
    """Return one of the networks made of PyTorch's layers."""
    layers = []
    for layer in generator.layers:
        linear = nn.Linear(*layer.weight.shape[1:])
        linear.weight.data, linear.bias.data = layer.weight[network].T.detach(), layer.bias[network, 0].detach()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


def test_each_image_comes_from_the_network_of_its_class():
    generator, rows = made(3), torch.tensor([2, 0, 2, 1, 0, 2])
    latents = generator.draw(6, Rng(1))
    one_by_one = [plain(generator, row)(latent[None]).view(SHAPE) for row, latent in zip(rows.tolist(), latents, strict=True)]
    torch.testing.assert_close(generator(latents, rows), torch.stack(one_by_one))


def test_a_single_network_gets_the_class_one_hot():
    generator, rows = made(1), torch.tensor([2, 0, 1])
    latents = generator.draw(3, Rng(1))
    inputs = torch.cat([latents, nn.functional.one_hot(rows, 3).float()], dim=1)
    torch.testing.assert_close(generator(latents, rows), plain(generator, 0)(inputs).view(-1, *SHAPE))


def test_codes_are_decoded():
    decoder = nn.Linear(4, 60)
    generator = DenseGenerator(SHAPE, 6, (8,), 3, 3, decoder, 4)
    generator.redraw(RNGS)
    latents = torch.stack([generator.draw(1, Rng(1))] * 3)
    pictures = generator(latents[:, 0], torch.arange(3))
    torch.testing.assert_close(pictures, decoder(generator.codes(latents)[:, 0]).view(-1, *SHAPE))


def test_each_network_depends_on_its_own_stream_only():
    other = DenseGenerator(SHAPE, 6, (8, 7), 2, 2)
    other.redraw([RNGS[2], RNGS[0]])
    latents = other.draw(2, Rng(1))
    ours = made(3)(latents, torch.tensor([2, 0]))
    torch.testing.assert_close(other(latents, torch.arange(2)), ours)


def test_weights_have_the_distribution_of_linear_layers():
    weight = made(3).layers[1].weight
    assert weight.abs().max() <= 8**-0.5
    assert weight.abs().max() > 0.9 * 8**-0.5


@pytest.mark.parametrize(("draw", "mean_square"), [(lambda count, dims, rng: rng.normal((count, dims)), 1.0), (uniform_latents, 1 / 3)])
def test_latents_have_their_distribution_and_a_smaller_count_gives_the_first_of_them(draw, mean_square):
    many = draw(4000, 5, Rng(0))
    assert many.dtype == torch.float32
    assert many.mean().abs() < 0.02
    assert many.square().mean() == pytest.approx(mean_square, rel=0.03)
    assert torch.equal(draw(7, 5, Rng(0)), many[:7])


def test_uniform_latents_are_in_minus_one_to_one():
    latents = uniform_latents(4000, 5, Rng(0))
    assert latents.min() >= -1
    assert latents.max() < 1
    assert latents.min() < -0.99
