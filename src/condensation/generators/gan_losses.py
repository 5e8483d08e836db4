"""Losses of adversarial and variational training, as pure functions of what the networks gave."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor


def hinge_loss_real(scores: Tensor) -> Tensor:
    """What a critic pays for its scores (n,) of real images: the mean of max(0, 1 - score)."""
    return F.relu(1 - scores).mean()


def hinge_loss_fake(scores: Tensor) -> Tensor:
    """What a critic pays for its scores (n,) of images that were made: the mean of max(0, 1 + score)."""
    return F.relu(1 + scores).mean()


def generator_loss(scores: Tensor) -> Tensor:
    """What a generator pays for the critic's scores (n,) of its images: the mean of -score."""
    return -scores.mean()


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of N(mean, variance) from N(0, 1), both (n, dims), summed over images and dimensions."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()


def info_nce(queries: Tensor, keys: Tensor, others: Tensor, temperature: float) -> Tensor:
    """How hard it is to tell the key of each query from ``others``, by cosine (van den Oord et al., 2018; He et al., 2020).

    Queries and keys (n, dims), row by row of the same image; others (k, dims) of length 1, of other images.
    """
    queries, keys = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    own = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat([own, queries @ others.T], 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.long, device=logits.device))
