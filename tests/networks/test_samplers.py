from __future__ import annotations

import pytest
import torch

from condensation.core.rng import Rng
from condensation.networks.convnet import ConvNet
from condensation.networks.registry import NETWORKS
from condensation.networks.samplers import Fresh

SHAPE = (3, 16, 16)
SMALL = Fresh(ConvNet(width=8))


def weights(network):
    return torch.cat([parameter.flatten() for parameter in network.parameters()]).clone()


def test_the_default_is_the_convnet():
    assert Fresh() == Fresh(NETWORKS["convnet"])


@pytest.mark.parametrize("spec", [ConvNet(width=8), ConvNet(width=8, norm="batch")])
def test_the_network_is_frozen_and_in_training_mode(spec):
    network = Fresh(spec).network(SHAPE, 10, "cpu")
    assert all(not parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


def test_gradients_reach_the_images_through_a_frozen_network():
    network = SMALL.network(SHAPE, 10, torch.device("cpu"))
    images = Rng(0).normal((2, *SHAPE)).requires_grad_()
    network.embed(images).square().sum().backward()
    assert images.grad is not None
    assert images.grad.any()


def test_redrawing_gives_the_weights_of_building():
    network = SMALL.network(SHAPE, 10, "cpu")
    SMALL.redraw(network, Rng(4).child("step", 2))
    assert torch.equal(weights(network), weights(SMALL.spec.build(SHAPE, 10, Rng(4).child("step", 2))))


def test_redrawing_is_in_place_and_depends_on_the_stream_only():
    network = SMALL.network(SHAPE, 10, "cpu")
    places = [parameter.data_ptr() for parameter in network.parameters()]
    before = torch.get_rng_state()
    SMALL.redraw(network, Rng(1))
    first = weights(network)
    SMALL.redraw(network, Rng(2))
    assert not torch.equal(first, weights(network))
    SMALL.redraw(network, Rng(1))
    assert torch.equal(first, weights(network))
    assert places == [parameter.data_ptr() for parameter in network.parameters()]
    assert torch.equal(before, torch.get_rng_state())


def test_redrawing_resets_batch_norm_statistics():
    sampler = Fresh(ConvNet(width=8, norm="batch"))
    network = sampler.network(SHAPE, 10, "cpu")
    network(Rng(0).normal((4, *SHAPE)))
    sampler.redraw(network, Rng(0))
    assert not network.features[1].running_mean.any()


def test_a_network_in_bfloat16_gets_the_same_weights_rounded():
    network, half = SMALL.network(SHAPE, 10, "cpu"), SMALL.network(SHAPE, 10, "cpu").to(torch.bfloat16)
    SMALL.redraw(network, Rng(3))
    SMALL.redraw(half, Rng(3))
    assert torch.equal(weights(network).bfloat16(), weights(half))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_network_gets_the_weights_of_the_cpu():
    here, there = SMALL.network(SHAPE, 10, "cpu"), SMALL.network(SHAPE, 10, "cuda")
    before = torch.cuda.get_rng_state()
    SMALL.redraw(here, Rng(3))
    SMALL.redraw(there, Rng(3))
    assert torch.equal(weights(here), weights(there).cpu())
    assert torch.equal(before, torch.cuda.get_rng_state())
