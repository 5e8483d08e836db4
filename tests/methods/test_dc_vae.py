"""DC-VAE: what a step does, told apart into its parts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import DCVAE, Compute, ImageSet, Rng
from condensation.generators.dc_vae_encoder import DualAutoencoder
from condensation.generators.per_class import PerClassGenerator
from condensation.methods.dc_vae import DCVAEState
from condensation.methods.dc_vae_losses import DualLosses
from tests.small import CPU, dc_vae, images
from tests.states import same_state

EXACT = Compute(**{**CPU, "precision": "float64"})  # type: ignore[arg-type]
IPC = {0: 2, 1: 2, 2: 2}


def begun(method: DCVAE, real: ImageSet, steps: int = 0) -> DCVAEState:
    state = method.init(real, IPC, Rng(0), EXACT.resolve())
    for step in range(steps):
        method.step(state, real, Rng(0).child("step", step))
    return state


def group(networks: str = "conditional") -> DualAutoencoder:
    """The first group of a state, in evaluation mode, in which nothing changes with use."""
    first = begun(dc_vae(networks=networks), images()).groups[0].eval()
    assert isinstance(first, DualAutoencoder)
    return first


def losses(one: DualAutoencoder) -> DualLosses:
    return DualLosses(one, EXACT.resolve(), 3, 5)


def some(count: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(count, 3, 16, 16, dtype=torch.float64, generator=generator) - 1, torch.tensor([0, 1, 2, 0])[:count]


def test_the_critic_learns_several_times_for_each_time_of_the_autoencoder() -> None:
    state = begun(dc_vae(critic_steps=3), images(), steps=2)
    makers, critics = state.optimizers
    # Encoder and decoder learn from the critic and from the contrast; so do the layers of the critic itself.
    assert {float(one["step"]) for one in makers.state.values()} == {4.0}
    dual = state.groups[0].dual
    steps = {name: float(critics.state[parameter]["step"]) for name, parameter in dual.named_parameters()}
    assert steps["trunk.blocks.0.conv1.bias"] == 8
    assert steps["score.bias"] == 6
    assert steps["flat.weight"] == steps["early.weight"] == 2


def test_samples_and_reconstructions_weigh_half_each_for_the_critic() -> None:
    one = group()
    images, rows = some()
    samples, their_rows = losses(one).samples(images, 4, Rng(1))
    reconstructed, _ = losses(one).reconstructions(images, rows, Rng(1))
    parts = [one.dual(seen, of) for seen, of in ((images, rows), (samples, their_rows), (reconstructed, rows))]
    real, made, remade = parts
    expected = F.relu(1 - real).mean() + 0.5 * F.relu(1 + made).mean() + 0.5 * F.relu(1 + remade).mean()
    torch.testing.assert_close(losses(one).critic_loss(images, rows, Rng(1)), expected)


def test_the_autoencoder_pays_for_both_and_for_the_divergence() -> None:
    one = group()
    images, rows = some()
    samples, their_rows = losses(one).samples(images, 7, Rng(1))
    reconstructed, divergence = losses(one).reconstructions(images, rows, Rng(1))
    expected = -0.5 * one.dual(samples, their_rows).mean() - 0.5 * one.dual(reconstructed, rows).mean() + 0.3 * divergence
    torch.testing.assert_close(losses(one).autoencoder_loss(images, rows, 7, 0.3, Rng(1)), expected)


def test_a_reconstruction_is_decoded_from_mean_and_noise_of_the_encoders_deviation() -> None:
    one = group()
    images, rows = some()
    mean, log_variance = one.encoder(images)[:, :5], one.encoder(images)[:, 5:]
    noise = Rng(1).child("noise").normal((4, 5)).double()
    expected = 2 * one.decoder(mean + log_variance.exp().sqrt() * noise, rows) - 1
    torch.testing.assert_close(losses(one).reconstructions(images, rows, Rng(1))[0], expected)


def test_contrast_is_the_mean_of_both_views_against_keys_of_the_momentum_encoder() -> None:
    one = group()
    images, rows = some()
    reconstructed, _ = losses(one).reconstructions(images, rows, Rng(1))
    expected = []
    for view in (0, 1):
        query = F.normalize(one.dual.views(reconstructed)[view], dim=1)
        key = F.normalize(one.momentum.views(images)[view], dim=1)
        own, others = (query * key).sum(1), query @ one.queues[view].T
        of_images = own / 0.2 - torch.cat([own[:, None], others], 1).div(0.2).logsumexp(1)
        expected.append(-of_images.mean())
    contrast, _, keys = losses(one).contrast(images, rows, 0.2, Rng(1))
    torch.testing.assert_close(contrast, torch.stack(expected).mean())
    torch.testing.assert_close(keys, one.momentum.views(images))
    assert not keys.requires_grad


def test_queues_are_written_in_a_circle() -> None:
    one = group()
    before = one.queues.clone()
    keys = torch.randn(2, 6, 16, dtype=torch.float64)
    for _ in range(2):
        one.enqueue(torch.zeros_like(keys) + 1)
    one.enqueue(keys)  # the third batch of 6 in a queue of 16: places 12 to 15, then 0 and 1
    expected = F.normalize(keys, dim=2)
    torch.testing.assert_close(one.queues[:, 12:], expected[:, :4])
    torch.testing.assert_close(one.queues[:, :2], expected[:, 4:])
    torch.testing.assert_close(one.queues[:, 2:12], torch.full_like(before[:, 2:12], 0.25))
    assert one.next == 2


def test_the_momentum_encoder_follows_and_is_not_trained() -> None:
    method, real = dc_vae(), images()
    state = begun(method, real, steps=1)
    first = begun(method, real).groups[0]
    one = state.groups[0]
    assert all(not parameter.requires_grad for parameter in one.momentum.parameters())
    old, now = dict(first.dual.named_parameters()), dict(one.momentum.named_parameters())
    moved = [name for name in now if not torch.equal(now[name], old[name])]
    assert "trunk.blocks.0.conv1.bias" in moved
    # A thousandth of a few steps of Adam, each of about the rate.
    assert all((now[name] - old[name]).abs().max() < 1e-3 * 3 * method.lr for name in now)


def test_each_class_can_have_an_autoencoder_of_its_own() -> None:
    state = begun(dc_vae(networks="one-a-class"), images())
    assert len(state.groups) == 3
    assert all(one.decoder.of_class is None and one.dual.of_class is None for one in state.groups)
    assert isinstance(state.source.generator, PerClassGenerator)


def test_grouped_generators_make_what_each_makes_alone() -> None:
    grouped = begun(dc_vae(networks="one-a-class"), images()).source.generator.eval()
    latents, rows = torch.randn(5, 5, dtype=torch.float64), torch.tensor([2, 0, 2, 1, 0])
    alone = [grouped.generators[row](latent[None], torch.zeros(1, dtype=torch.long))[0] for latent, row in zip(latents, rows, strict=True)]
    torch.testing.assert_close(grouped(latents, rows), torch.stack(alone))
    torch.testing.assert_close(grouped(latents[:1], rows[:1]), torch.stack(alone[:1]))


def test_images_come_from_an_average_of_decoders_with_the_statistics_of_the_last() -> None:
    method, real = dc_vae(averaging=0.75), images()
    start, state = begun(method, real), begun(method, real, steps=1)
    old, new = (dict(one.groups[0].decoder.named_parameters()) for one in (start, state))
    average = state.source.generator.generators[0]
    for name, value in average.named_parameters():
        torch.testing.assert_close(value, 0.75 * old[name] + 0.25 * new[name])
    assert torch.equal(average.norm.running_mean, state.groups[0].decoder.norm.running_mean)


@pytest.mark.parametrize("networks", ["conditional", "one-a-class"])
def test_every_network_queue_and_optimiser_goes_on_exactly(networks: str) -> None:
    method, real = dc_vae(networks=networks), images()
    unbroken, half = begun(method, real, steps=4), begun(method, real, steps=2)
    resumed = begun(method, real)
    resumed.load_state_dict(half.state_dict())
    for step in (2, 3):
        method.step(resumed, real, Rng(0).child("step", step))
    assert same_state(unbroken.state_dict(), resumed.state_dict())
    kept = set(unbroken.state_dict()["parts"]["groups"])
    assert {"0.encoder.linear.parametrizations.weight.original", "0.momentum.flat.weight", "0.queues", "0.next"} <= kept


def test_reconstructions_come_to_be_told_from_other_images() -> None:
    method = dc_vae(lr=0.005, width=8, critic_width=8, latent=8, critic_steps=1, batch=12, samples=6, queue=64)
    real = images()
    state = begun(method, real)
    losses = [float(method.step(state, real, Rng(0).child("step", step))) for step in range(30)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_fast_settings_can_be_run(shape: tuple[int, int, int]) -> None:
    method, real = DCVAE.fast(), images(shape=shape)
    state = begun(method, real)
    assert method.step(state, real, Rng(0)).isfinite()
