"""Plain gradient matching, class by class: the reference for the fast implementation."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condensation import Augmentation, ImageSet, Rng

Augment = Callable[[Tensor, int], Tensor]  # images of one class, and which class


def distance(real: list[Tensor], synthetic: list[Tensor]) -> Tensor:
    """Sum of 1 - cosine over the rows of weights; vectors such as biases do not count."""
    total = real[0].new_zeros(())
    for one, other in zip(real, synthetic, strict=True):
        if one.dim() == 4:
            one, other = (x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]) for x in (one, other))
        elif one.dim() == 3:
            one, other = (x.reshape(x.shape[0], x.shape[1] * x.shape[2]) for x in (one, other))
        elif one.dim() == 1:
            continue
        norms = torch.norm(one, dim=1) * torch.norm(other, dim=1)  # its derivative at 0 is 0, that of a root is not
        total = total + torch.sum(1 - (one * other).sum(1) / (norms + 0.000001))
    return total


def match(network: nn.Module, real: list[Tensor], synthetic: list[Tensor], labels: list[int], augment: Augment) -> Tensor:
    """Loss of all classes, with a graph to the synthetic images."""
    parameters = list(network.parameters())
    loss = synthetic[0].new_zeros(())
    for place, (of_real, of_synthetic, label) in enumerate(zip(real, synthetic, labels, strict=True)):
        real_loss = F.cross_entropy(network(augment(of_real, place)), torch.full((len(of_real),), label, device=of_real.device))
        real_gradient = [gradient.detach() for gradient in torch.autograd.grad(real_loss, parameters)]
        synthetic_loss = F.cross_entropy(
            network(augment(of_synthetic, place)), torch.full((len(of_synthetic),), label, device=of_real.device)
        )
        loss = loss + distance(real_gradient, list(torch.autograd.grad(synthetic_loss, parameters, create_graph=True)))
    return loss


def train(network: nn.Module, small: ImageSet, epochs: int, augmentation: Augmentation | None, rng: Rng, lr: float, batch: int) -> None:
    """SGD on the synthetic images, shuffled in each epoch."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    for epoch in range(epochs):
        order = rng.child("order", epoch).permutation(len(small)).to(small.device)
        for number, chosen in enumerate(order.split(batch)):
            images = small.images[chosen]
            if augmentation is not None:
                images = augmentation.per_image(len(chosen), rng.child("augment", epoch, number))(images, torch.arange(len(chosen)))
            optimizer.zero_grad()
            F.cross_entropy(network(images), small.labels[chosen]).backward()
            optimizer.step()
