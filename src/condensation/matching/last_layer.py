"""Gradients of a network's last layer, and how near matching them comes to matching features.

For a linear layer on features e, softmax p and cross-entropy, the gradient for image i with respect to the weights of
class j is (p_ij - 1[j = y_i]) e_i: a weighted feature. Averaged over a batch it is a mean of weighted features. Where every
class has the same probability, as with a head of zeros, the weights are the same for all images of a class, and the squared
distance of two mean gradients is that of the mean features times (C - 1) / C. (Zhao & Bilen, 2023, supplement, equations 1 to 5.)
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor


def logit_gradients(logits: Tensor, labels: Tensor) -> Tensor:
    """By what each feature is multiplied in the gradient of each class: p_ij - 1[j = y_i], (n, classes) from logits (n, classes)."""
    return logits.softmax(1) - F.one_hot(labels, logits.shape[1]).to(logits.dtype)


def last_layer_gradients(features: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """The gradient of each image's cross-entropy in the last layer's weights: (n, classes, dims) from features (n, dims)."""
    return logit_gradients(logits, labels)[:, :, None] * features[:, None]


def mean_last_layer_gradient(features: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of `last_layer_gradients`, (classes, dims), which is the gradient of the mean loss; no image's is kept."""
    return logit_gradients(logits, labels).T @ features / len(features)


def squared_distance(real: Tensor, synthetic: Tensor) -> Tensor:
    """The sum of squared differences of two gradients or means of one shape: a scalar."""
    return (real - synthetic).square().sum()


def uniform_head_factor(classes: int) -> float:
    """(C - 1) / C: what the squared distance of mean features is multiplied by where all probabilities are 1 / C."""
    return (classes - 1) / classes
