"""Plain distribution matching, class by class: the reference for the fast implementation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Embed = Callable[[Tensor], Tensor]
Augment = Callable[[Tensor, int], Tensor]  # images of one class, and which class


def loss_class_by_class(embed: Embed, real: list[Tensor], synthetic: list[Tensor], augment: Augment) -> Tensor:
    """Each class embedded alone: the published branch for networks without batch norm."""
    loss = torch.zeros((), dtype=synthetic[0].dtype)
    for label, (of_real, of_synthetic) in enumerate(zip(real, synthetic, strict=True)):
        real_mean = embed(augment(of_real, label)).detach().mean(0)
        synthetic_mean = embed(augment(of_synthetic, label)).mean(0)
        loss = loss + ((real_mean - synthetic_mean) ** 2).sum()
    return loss


def loss_all_in_one_batch(embed: Embed, real: list[Tensor], synthetic: list[Tensor], augment: Augment) -> Tensor:
    """One forward pass for all real and one for all synthetic images: the published branch for batch norm."""
    real_features = embed(torch.cat([augment(images, label) for label, images in enumerate(real)])).detach()
    synthetic_features = embed(torch.cat([augment(images, label) for label, images in enumerate(synthetic)]))
    real_means = torch.stack([part.mean(0) for part in real_features.split([len(images) for images in real])])
    synthetic_means = torch.stack([part.mean(0) for part in synthetic_features.split([len(images) for images in synthetic])])
    return ((real_means - synthetic_means) ** 2).sum()
