"""Losses of adversarial, variational and contrastive training, as pure functions."""

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor


def hinge_loss_real(scores: Tensor) -> Tensor:
    """Return the critic's hinge loss for its scores (n,) of real images: mean(max(0, 1 - score))."""
    return F.relu(1 - scores).mean()


def hinge_loss_fake(scores: Tensor) -> Tensor:
    """Return the critic's hinge loss for its scores (n,) of generated images: mean(max(0, 1 + score))."""
    return F.relu(1 + scores).mean()


def generator_loss(scores: Tensor) -> Tensor:
    """Return the generator's loss for the critic's scores (n,) of its images: mean(-score)."""
    return -scores.mean()


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, 1)) for (n, dims), summed over images and dimensions."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()


def info_nce(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Return the InfoNCE loss (He et al., CVPR 2020, eq. 1) of queries and keys (n, dims) and negatives (k, dims) of length 1."""
    queries, keys = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    positives = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat([positives, queries @ negatives.T], 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.long, device=logits.device))
