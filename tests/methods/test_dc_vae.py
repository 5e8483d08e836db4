"""DC-VAE: the parts of a step."""

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
    """The first group of a state, in evaluation mode."""
    first = begun(dc_vae(networks=networks), images()).groups[0].eval()
    assert isinstance(first, DualAutoencoder)
    return first


def losses(autoencoder: DualAutoencoder) -> DualLosses:
    return DualLosses(autoencoder, EXACT.resolve(), 3, 5)


def some(count: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(count, 3, 16, 16, dtype=torch.float64, generator=generator) - 1, torch.tensor([0, 1, 2, 0])[:count]


def test_the_critic_is_updated_several_times_per_autoencoder_update() -> None:
    state = begun(dc_vae(critic_steps=3), images(), steps=2)
    makers, critics = state.optimizers
    # Encoder and decoder learn from the critic and from the contrast; so do the layers of the critic itself.
    assert {float(autoencoder["step"]) for autoencoder in makers.state.values()} == {4.0}
    dual = state.groups[0].dual
    steps = {name: float(critics.state[parameter]["step"]) for name, parameter in dual.named_parameters()}
    assert steps["trunk.blocks.0.conv1.bias"] == 8
    assert steps["score.bias"] == 6
    assert steps["flat.weight"] == steps["early.weight"] == 2


def test_critic_loss_weighs_samples_and_reconstructions_half_each() -> None:
    autoencoder = group()
    images, rows = some()
    samples, their_rows = losses(autoencoder).samples(images, 4, Rng(1))
    reconstructed, _ = losses(autoencoder).reconstructions(images, rows, Rng(1))
    parts = [autoencoder.dual(seen, of) for seen, of in ((images, rows), (samples, their_rows), (reconstructed, rows))]
    real, made, remade = parts
    expected = F.relu(1 - real).mean() + 0.5 * F.relu(1 + made).mean() + 0.5 * F.relu(1 + remade).mean()
    torch.testing.assert_close(losses(autoencoder).critic_loss(images, rows, Rng(1)), expected)


def test_autoencoder_loss_includes_samples_reconstructions_and_divergence() -> None:
    autoencoder = group()
    images, rows = some()
    samples, their_rows = losses(autoencoder).samples(images, 7, Rng(1))
    reconstructed, divergence = losses(autoencoder).reconstructions(images, rows, Rng(1))
    expected = -0.5 * autoencoder.dual(samples, their_rows).mean() - 0.5 * autoencoder.dual(reconstructed, rows).mean() + 0.3 * divergence
    torch.testing.assert_close(losses(autoencoder).autoencoder_loss(images, rows, 7, 0.3, Rng(1)), expected)


def test_reconstructions_decode_mean_plus_noise() -> None:
    autoencoder = group()
    images, rows = some()
    mean, log_variance = autoencoder.encoder(images)[:, :5], autoencoder.encoder(images)[:, 5:]
    noise = Rng(1).child("noise").normal((4, 5)).double()
    expected = 2 * autoencoder.decoder(mean + log_variance.exp().sqrt() * noise, rows) - 1
    torch.testing.assert_close(losses(autoencoder).reconstructions(images, rows, Rng(1))[0], expected)


def test_contrast_is_the_mean_info_nce_of_both_views() -> None:
    autoencoder = group()
    images, rows = some()
    reconstructed, _ = losses(autoencoder).reconstructions(images, rows, Rng(1))
    expected = []
    for view in (0, 1):
        query = F.normalize(autoencoder.dual.views(reconstructed)[view], dim=1)
        key = F.normalize(autoencoder.momentum.views(images)[view], dim=1)
        own, others = (query * key).sum(1), query @ autoencoder.queues[view].T
        of_images = own / 0.2 - torch.cat([own[:, None], others], 1).div(0.2).logsumexp(1)
        expected.append(-of_images.mean())
    contrast, _, keys = losses(autoencoder).contrast(images, rows, 0.2, Rng(1))
    torch.testing.assert_close(contrast, torch.stack(expected).mean())
    torch.testing.assert_close(keys, autoencoder.momentum.views(images))
    assert not keys.requires_grad


def test_queues_are_circular() -> None:
    autoencoder = group()
    before = autoencoder.queues.clone()
    keys = torch.randn(2, 6, 16, dtype=torch.float64)
    for _ in range(2):
        autoencoder.enqueue(torch.zeros_like(keys) + 1)
    autoencoder.enqueue(keys)  # the third batch of 6 in a queue of 16: places 12 to 15, then 0 and 1
    expected = F.normalize(keys, dim=2)
    torch.testing.assert_close(autoencoder.queues[:, 12:], expected[:, :4])
    torch.testing.assert_close(autoencoder.queues[:, :2], expected[:, 4:])
    torch.testing.assert_close(autoencoder.queues[:, 2:12], torch.full_like(before[:, 2:12], 0.25))
    assert autoencoder.next == 2


def test_the_momentum_encoder_is_averaged_and_not_trained() -> None:
    method, real = dc_vae(), images()
    state = begun(method, real, steps=1)
    first = begun(method, real).groups[0]
    autoencoder = state.groups[0]
    assert all(not parameter.requires_grad for parameter in autoencoder.momentum.parameters())
    old, now = dict(first.dual.named_parameters()), dict(autoencoder.momentum.named_parameters())
    moved = [name for name in now if not torch.equal(now[name], old[name])]
    assert "trunk.blocks.0.conv1.bias" in moved
    # A thousandth of a few steps of Adam, each of about the rate.
    assert all((now[name] - old[name]).abs().max() < 1e-3 * 3 * method.lr for name in now)


def test_each_class_can_have_its_own_autoencoder() -> None:
    state = begun(dc_vae(networks="one-a-class"), images())
    assert len(state.groups) == 3
    assert all(autoencoder.decoder.of_class is None and autoencoder.dual.of_class is None for autoencoder in state.groups)
    assert isinstance(state.source.generator, PerClassGenerator)


def test_per_class_generators_equal_single_ones() -> None:
    grouped = begun(dc_vae(networks="one-a-class"), images()).source.generator.eval()
    latents, rows = torch.randn(5, 5, dtype=torch.float64), torch.tensor([2, 0, 2, 1, 0])
    alone = [grouped.generators[row](latent[None], torch.zeros(1, dtype=torch.long))[0] for latent, row in zip(latents, rows, strict=True)]
    torch.testing.assert_close(grouped(latents, rows), torch.stack(alone))
    torch.testing.assert_close(grouped(latents[:1], rows[:1]), torch.stack(alone[:1]))


def test_the_average_has_the_batch_norm_statistics_of_the_decoder() -> None:
    method, real = dc_vae(averaging=0.75), images()
    start, state = begun(method, real), begun(method, real, steps=1)
    old, new = (dict(autoencoder.groups[0].decoder.named_parameters()) for autoencoder in (start, state))
    average = state.source.generator.generators[0]
    for name, value in average.named_parameters():
        torch.testing.assert_close(value, 0.75 * old[name] + 0.25 * new[name])
    assert torch.equal(average.norm.running_mean, state.groups[0].decoder.norm.running_mean)


@pytest.mark.parametrize("networks", ["conditional", pytest.param("one-a-class", marks=pytest.mark.slow)])
def test_networks_queues_and_optimizers_resume_exactly(networks: str) -> None:
    method, real = dc_vae(networks=networks), images()
    unbroken, half = begun(method, real, steps=4), begun(method, real, steps=2)
    resumed = begun(method, real)
    resumed.load_state_dict(half.state_dict())
    for step in (2, 3):
        method.step(resumed, real, Rng(0).child("step", step))
    assert same_state(unbroken.state_dict(), resumed.state_dict())
    kept = set(unbroken.state_dict()["parts"]["groups"])
    assert {"0.encoder.linear.parametrizations.weight.original", "0.momentum.flat.weight", "0.queues", "0.next"} <= kept


def test_the_contrastive_loss_falls() -> None:
    method = dc_vae(lr=0.005, width=8, critic_width=8, latent=8, critic_steps=1, batch=12, samples=6, queue=64)
    real = images()
    state = begun(method, real)
    losses = [float(method.step(state, real, Rng(0).child("step", step))) for step in range(30)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_fast_settings_run(shape: tuple[int, int, int]) -> None:
    method, real = DCVAE.fast(), images(shape=shape)
    state = begun(method, real)
    assert method.step(state, real, Rng(0)).isfinite()
