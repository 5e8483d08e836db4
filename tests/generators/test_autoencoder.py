"""The autoencoder of GMMN: the stages of its training."""

import pytest
import torch
import torch.nn.functional as F

from condensation import CondensationError, Rng
from condensation.generators.autoencoder import Autoencoder
from condensation.networks.base import initialize

HOW = Autoencoder(hidden=6, code=3, steps=5)


@pytest.fixture
def networks():
    encoder, decoder = HOW.encoder(8).double(), HOW.decoder(8).double()
    initialize(encoder, Rng(0).child("encoder"))
    initialize(decoder, Rng(0).child("decoder"))
    return encoder, decoder


@pytest.fixture
def pictures():
    return torch.from_numpy(Rng(1).generator().random((7, 8)))


def trained(networks, pictures, step):
    """Return whether each of the four layers gets a gradient."""
    for network in networks:
        network.zero_grad()
    HOW.loss(*networks, pictures, step, Rng(0)).backward()
    return [any(parameter.grad is not None for parameter in layer.parameters()) for network in networks for layer in network[::2]]


@pytest.mark.parametrize(
    ("step", "layers"),
    [(0, [True, False, False, True]), (4, [True, False, False, True]), (5, [False, True, True, False]), (10, [True] * 4), (14, [True] * 4)],
)
def test_each_stage_trains_its_layers(networks, pictures, step, layers):
    assert trained(networks, pictures, step) == layers


def test_the_last_stage_minimizes_the_cross_entropy_of_reconstructions(networks, pictures):
    how = Autoencoder(hidden=6, code=3, steps=5, dropout=0.0, hidden_dropout=0.0)
    encoder, decoder = networks
    expected = F.binary_cross_entropy(decoder(encoder(pictures)), pictures)
    torch.testing.assert_close(how.loss(encoder, decoder, pictures, 10, Rng(0)), expected)


def test_dropout_depends_on_the_stream_only(networks, pictures):
    first, again, other = (HOW.loss(*networks, pictures, 10, rng) for rng in (Rng(0), Rng(0), Rng(1)))
    assert first == again
    assert first != other


@pytest.mark.parametrize("step", [0, 5, 10])
def test_gradients_of_each_stage_are_exact(networks, pictures, step):
    learned = trained(networks, pictures, step)
    layers = [layer for network in networks for layer in network[::2]]
    weights = {layer: layer.weight for layer, takes_part in zip(layers, learned, strict=True) if takes_part}

    def loss(*others):
        for layer, other in zip(weights, others, strict=True):
            del layer.weight
            layer.weight = other
        return HOW.loss(*networks, pictures, step, Rng(0))

    for weight in weights.values():
        weight.grad = None
    others = [weight.detach().clone().requires_grad_() for weight in weights.values()]
    assert torch.autograd.gradcheck(loss, others)


def test_training_reconstructs_pictures():
    how = Autoencoder(hidden=8, code=4, steps=150, dropout=0.0, hidden_dropout=0.0)
    encoder, decoder = how.encoder(6), how.decoder(6)
    initialize(encoder, Rng(0).child("encoder"))
    initialize(decoder, Rng(0).child("decoder"))
    pictures = torch.eye(6)[:3].repeat(2, 1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.1)
    for step in range(how.total_steps):
        optimizer.zero_grad()
        how.loss(encoder, decoder, pictures, step, Rng(0).child(step)).backward()
        optimizer.step()
    assert (decoder(encoder(pictures)) - pictures).abs().max() < 0.1


@pytest.mark.parametrize(("name", "value"), [("code", 0), ("dropout", 1.0), ("lr", 0.0), ("lr", float("nan"))])
def test_invalid_settings_raise_with_their_name(name, value):
    with pytest.raises(CondensationError) as caught:
        Autoencoder(**{name: value})
    assert caught.value.setting == f"method.autoencoder.{name}"
