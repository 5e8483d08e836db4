"""Gradients of a network's last layer, and their relation to features (Zhao & Bilen, 2023, supplement, equations 1 to 5).

For a linear layer on features e with softmax p and cross-entropy, the gradient for image i with respect to the weights of class j is
(p_ij - 1[j = y_i]) e_i: a weighted feature. If each class has the same probability, as with a layer of zeros, the weights are equal for
all images of a class, and the squared distance of two mean gradients is (C - 1) / C times that of the mean features.
"""

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor


def mean_last_layer_gradient(features: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of the mean cross-entropy with respect to the last layer's weights: (classes, dims)."""
    by_logits = logits.softmax(1) - F.one_hot(labels, logits.shape[1]).to(logits.dtype)  # p_ij - 1[j = y_i]
    return by_logits.T @ features / len(features)


def squared_distance(real: Tensor, synthetic: Tensor) -> Tensor:
    """Return the squared Euclidean distance of two tensors of equal shape, a scalar."""
    return (real - synthetic).square().sum()
