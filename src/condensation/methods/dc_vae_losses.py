"""The losses of DC-VAE (Parmar et al., CVPR 2021), of a group of classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.rng import Rng
from condensation.generators.dc_vae_encoder import DualAutoencoder
from condensation.generators.gan_losses import generator_loss, hinge_loss_fake, hinge_loss_real, info_nce, kl_to_standard_normal
from condensation.methods.big_gan import signed


@dataclass(frozen=True)
class DualLosses:
    """What the networks of a group of classes pay for a batch of its images."""

    group: DualAutoencoder
    compute: Compute
    classes: int
    latent: int

    def critic_loss(self, images: Tensor, rows: Tensor, rng: Rng) -> Tensor:
        """Hinge loss of real ``images`` (n, c, h, w) beside as many samples and their reconstructions, which weigh half each."""
        count = len(images)
        with torch.no_grad():
            samples, their_rows = self.samples(images, count, rng)
            reconstructed, _ = self.reconstructed(images, rows, rng)
        # One pass for all, as no layer of the critic mixes images.
        scores = self.scores(torch.cat([images, samples, reconstructed]), torch.cat([rows, their_rows, rows]))
        return hinge_loss_real(scores[:count]) + (hinge_loss_fake(scores[count : 2 * count]) + hinge_loss_fake(scores[2 * count :])) / 2

    def maker_loss(self, images: Tensor, rows: Tensor, count: int, weight: float, rng: Rng) -> Tensor:
        """What encoder and decoder pay for ``count`` samples and for reconstructions, and ``weight`` times the divergence."""
        samples, their_rows = self.samples(images, count, rng)
        reconstructed, divergence = self.reconstructed(images, rows, rng)
        scores = self.scores(torch.cat([samples, reconstructed]), torch.cat([their_rows, rows]))
        return (generator_loss(scores[:count]) + generator_loss(scores[count:])) / 2 + weight * divergence

    def contrast(self, images: Tensor, rows: Tensor, temperature: float, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        """The mean contrast of both views, the divergence, and the momentum encoder's views (2, n, 16) of ``images``."""
        reconstructed, divergence = self.reconstructed(images, rows, rng)
        with torch.no_grad():
            keys = self.compute.wrap(self.group.momentum.views)(images).to(images)
        queries = self.compute.wrap(self.group.dual.views)(reconstructed).to(images)
        # A copy, as the queues are written to before the next step.
        views = zip(queries, keys, self.group.queues.clone(), strict=True)
        return torch.stack([info_nce(*view, temperature) for view in views]).mean(), divergence, keys

    def samples(self, like: Tensor, count: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Images (count, c, h, w) of random latents and classes, and their rows (count,)."""
        latents = self.group.decoder.draw(count, rng.child("latents")).to(like)
        rows = torch.from_numpy(rng.child("rows").generator().integers(self.classes, size=count)).to(like.device)
        return signed(self.compute.wrap(self.group.decoder)(latents, rows).to(like)), rows

    def reconstructed(self, images: Tensor, rows: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        """Images (n, c, h, w) of a latent drawn for each of ``images``, and the divergence of what they are drawn from."""
        mean, log_variance = self.compute.wrap(self.group.encoder)(images).to(images).chunk(2, 1)
        noise = rng.child("noise").normal((len(images), self.latent)).to(images)
        latents = mean + (log_variance / 2).exp() * noise
        return signed(self.compute.wrap(self.group.decoder)(latents, rows).to(images)), kl_to_standard_normal(mean, log_variance)

    def scores(self, images: Tensor, rows: Tensor) -> Tensor:
        """What the critic gives ``images`` (n, c, h, w) as images of the classes ``rows`` (n,): (n,)."""
        return self.compute.wrap(self.group.dual)(images, rows).to(images)
