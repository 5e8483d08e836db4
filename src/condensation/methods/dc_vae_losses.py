"""The losses of DC-VAE (Parmar et al., CVPR 2021) for a group of classes."""

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
    """Losses of the networks of a group of classes on a batch of its images."""

    group: DualAutoencoder
    compute: Compute
    classes: int
    latent: int

    def critic_loss(self, images: Tensor, class_index: Tensor, rng: Rng) -> Tensor:
        """Return the hinge loss of real ``images`` (n, c, h, w) against n samples and n reconstructions, each with weight 1/2."""
        count = len(images)
        with torch.no_grad():
            samples, sample_classes = self.samples(images, count, rng)
            reconstructions, _ = self.reconstructions(images, class_index, rng)
        # One forward pass for all, as no layer of the critic mixes images.
        scores = self.scores(torch.cat([images, samples, reconstructions]), torch.cat([class_index, sample_classes, class_index]))
        return hinge_loss_real(scores[:count]) + (hinge_loss_fake(scores[count : 2 * count]) + hinge_loss_fake(scores[2 * count :])) / 2

    def autoencoder_loss(self, images: Tensor, class_index: Tensor, count: int, weight: float, rng: Rng) -> Tensor:
        """Return the loss of encoder and decoder for ``count`` samples and for reconstructions, plus ``weight`` times the KL divergence."""
        samples, sample_classes = self.samples(images, count, rng)
        reconstructions, divergence = self.reconstructions(images, class_index, rng)
        scores = self.scores(torch.cat([samples, reconstructions]), torch.cat([sample_classes, class_index]))
        return (generator_loss(scores[:count]) + generator_loss(scores[count:])) / 2 + weight * divergence

    def contrast(self, images: Tensor, class_index: Tensor, temperature: float, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean contrastive loss of both views, the KL divergence, and the momentum encoder's views (2, n, 16) of ``images``."""
        reconstructions, divergence = self.reconstructions(images, class_index, rng)
        with torch.no_grad():
            keys = self.compute.wrap(self.group.momentum.views)(images).to(images)
        queries = self.compute.wrap(self.group.dual.views)(reconstructions).to(images)
        # Clone the queues, because they change before the next step.
        views = zip(queries, keys, self.group.queues.clone(), strict=True)
        return torch.stack([info_nce(*view, temperature) for view in views]).mean(), divergence, keys

    def samples(self, like: Tensor, count: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return decoded images (count, c, h, w) of random latents and classes, and their class indices (count,)."""
        latents = self.group.decoder.draw(count, rng.child("latents")).to(like)
        class_index = torch.from_numpy(rng.child("rows").generator().integers(self.classes, size=count)).to(like.device)
        return signed(self.compute.wrap(self.group.decoder)(latents, class_index).to(like)), class_index

    def reconstructions(self, images: Tensor, class_index: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        """Return a reconstruction of each of ``images`` (n, c, h, w) from a sampled latent, and the KL divergence of the latents."""
        mean, log_variance = self.compute.wrap(self.group.encoder)(images).to(images).chunk(2, 1)
        noise = rng.child("noise").normal((len(images), self.latent)).to(images)
        latents = mean + (log_variance / 2).exp() * noise
        return signed(self.compute.wrap(self.group.decoder)(latents, class_index).to(images)), kl_to_standard_normal(mean, log_variance)

    def scores(self, images: Tensor, class_index: Tensor) -> Tensor:
        """Return the critic's scores (n,) of ``images`` (n, c, h, w) of classes ``class_index`` (n,)."""
        return self.compute.wrap(self.group.dual)(images, class_index).to(images)
