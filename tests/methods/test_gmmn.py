"""GMMN: the loss against plain sums, and training."""

import math
from dataclasses import replace

import pytest
import torch

from condensation import GMMN, Compute, Rng, condense
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.generators.autoencoder import Autoencoder
from condensation.matching.kernels import RBF
from tests.small import CPU, gmmn, images

COMPUTE = Compute(**CPU)
EXACT = replace(COMPUTE, precision="float64")


def double(rows, columns, seed):
    return torch.from_numpy(Rng(seed).generator().random((rows, columns)))


def plain_mmd(real, generated, bandwidths):
    """The published loss: the root of the biased estimate with a sum of Gaussian kernels."""

    def kernel(x, y):
        return sum(math.exp(-float((x - y).square().sum()) / (2 * bandwidth**2)) for bandwidth in bandwidths)

    def mean(first, second):
        return sum(kernel(x, y) for x in first for y in second) / (len(first) * len(second))

    return math.sqrt(mean(real, real) - 2 * mean(real, generated) + mean(generated, generated))


def state_of(method, real=None, ipc=2, compute=COMPUTE):
    real = real or images()
    return method.init(real, dict.fromkeys(real.classes, ipc), Rng(0).child("init"), compute)


def test_the_published_loss_equals_the_plain_sum():
    bandwidths = [variance**0.5 for variance in (2, 5, 10, 20, 40, 80)]  # exp(-d**2 / (2 variance))
    real, generated = double(6, 5, 0), double(4, 5, 1)
    assert float(GMMN.paper().distance(real, generated)) == pytest.approx(plain_mmd(real, generated, bandwidths), rel=1e-9)


def test_by_default_bandwidths_are_in_median_distances_of_real_images():
    real, generated = double(6, 5, 0), double(4, 5, 1)
    ours, larger = GMMN().distance(real, generated), GMMN().distance(10 * real, 10 * generated)
    torch.testing.assert_close(ours, larger)
    assert GMMN(unit=1.0).distance(real, generated) != pytest.approx(float(ours))


def test_the_gradient_of_the_distance():
    real, generated = double(6, 5, 0), double(4, 5, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda images: GMMN(kernel=RBF((0.5, 1.0))).distance(real, images), (generated,))


def test_the_gradient_at_distance_zero_is_finite():
    real = double(6, 5, 0)
    generated = real.clone().requires_grad_()
    GMMN().distance(real, generated).backward()
    assert generated.grad.isfinite().all()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_each_class_is_trained_as_if_alone(optimizer):
    real = images(classes=3)
    method = gmmn(optimizer=optimizer)
    together, alone = state_of(method, real), state_of(method, real.select([1, 2]))
    for step in range(3):
        method.step(together, real, Rng(0).child(step))
        method.step(alone, real.select([1, 2]), Rng(0).child(step))
    for ours, theirs in zip(together.generator.layers, alone.generator.layers, strict=True):
        torch.testing.assert_close(ours.weight[1:], theirs.weight)


def test_a_conditional_network_minimizes_the_mean_over_classes():
    real, method = images(), gmmn(networks="conditional", optimizer="sgd", lr=1.0, momentum=0.0, weight=1.0)
    state, before = state_of(method, real, compute=EXACT), state_of(method, real, compute=EXACT)
    method.step(state, real, Rng(1))
    draw = real.draw(6, Rng(1).child("real"))
    latents = torch.stack([before.generator.draw(5, Rng(1).child("latents", label)) for label in real.classes]).double()
    made = before.generator.codes(latents)
    of_real = real.pictures(draw.indices).flatten(1).double().view(3, 6, -1)
    loss = torch.stack([method.distance(one, other) for one, other in zip(of_real, made, strict=True)]).mean()
    loss.backward()
    for ours, theirs in zip(state.generator.layers, before.generator.layers, strict=True):
        torch.testing.assert_close(ours.weight, theirs.weight - theirs.weight.grad)


def test_learning_rate_and_momentum_drop_once():
    method = gmmn(optimizer="sgd", lr=2.0, momentum=0.9, lr_drop_step=2)
    state, seen = state_of(method), []
    for step in range(4):
        method.step(state, images(), Rng(0).child(step))
        (group,) = state.optimizers[0].param_groups
        seen.append((group["lr"], group["momentum"]))
    assert seen[:2] == [(2.0, 0.9)] * 2
    assert seen[2:] == [(pytest.approx(0.2), pytest.approx(0.99))] * 2


def test_the_autoencoder_is_trained_first_and_then_frozen():
    method = gmmn(iterations=2, autoencoder=Autoencoder(hidden=6, code=3, steps=2))
    assert method.steps == 8
    state, real = state_of(method), images()
    weights = {
        "encoder": state.encoder[0].weight,
        "decoder": state.generator.decoder[0].weight,
        "generator": state.generator.layers[0].weight,
    }
    changed = []
    for step in range(method.steps):
        before = {name: weight.detach().clone() for name, weight in weights.items()}
        method.step(state, real, Rng(0).child(step))
        changed.append({name for name, weight in weights.items() if not torch.equal(weight, before[name])})
    assert changed[:2] == [{"encoder"}] * 2  # the outer layers of both, of which the decoder's is its second
    assert changed[2:4] == [{"decoder"}] * 2
    assert changed[4:6] == [{"encoder", "decoder"}] * 2
    assert changed[6:] == [{"generator"}] * 2


def test_codes_are_matched_with_an_autoencoder():
    method = gmmn(iterations=1, autoencoder=Autoencoder(hidden=6, code=3, steps=1))
    state, real = state_of(method, compute=EXACT), images()
    for step in range(3):
        method.step(state, real, Rng(0).child(step))
    draw = real.draw(6, Rng(9).child("real"))
    with torch.no_grad():
        target = state.encoder(real.pictures(draw.indices).flatten(1).double()).view(3, 6, 3)
        latents = torch.stack([state.generator.draw(5, Rng(9).child("latents", label)) for label in real.classes]).double()
        expected = sum(method.distance(one, other) for one, other in zip(target, state.generator.codes(latents), strict=True))
    torch.testing.assert_close(method.step(state, real, Rng(9)), expected)


@pytest.mark.parametrize("networks", ["one-a-class", pytest.param("conditional", marks=pytest.mark.slow)])
def test_generated_images_resemble_their_class(networks):
    """The bright band of each class is where it is in the real images."""
    real = images(per_class=40)
    method = GMMN(iterations=100, lr=0.02, batch_per_class=40, samples_per_class=40, hidden=(16, 16), networks=networks)
    small = condense(method, real, 10, compute=COMPUTE)
    means = torch.stack([small.select([label]).pictures().mean((0, 1)) for label in range(3)])
    of_real = torch.stack([real.select([label]).pictures().mean((0, 1)) for label in range(3)])
    assert (means - of_real).abs().max() < 0.25


def test_settings_come_back_from_plain_values():
    for method in (GMMN(), GMMN.paper(), gmmn(autoencoder=Autoencoder(code=7))):
        assert from_dict(GMMN, {key: value for key, value in to_dict(method).items() if key != "name"}) == method


def test_an_autoencoder_is_built_by_name():
    assert from_dict(GMMN, {"autoencoder": "sigmoid"}).autoencoder == Autoencoder()
    assert from_dict(GMMN, {"autoencoder": {"code": 8}}).autoencoder == Autoencoder(code=8)
