"""Fully connected generators, one for each class or one for all, the networks of all classes computed side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.generators.base import Generator, uniform_latents


class Dense(nn.Module):
    """A linear layer of each of several networks: (networks, n, inputs) to (networks, n, outputs)."""

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(networks, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(networks, 1, outputs))

    def redraw(self, network: int, rng: Rng) -> None:
        """New weights of one of the networks: uniform within 1 / sqrt(inputs), as those of PyTorch's linear layers are."""
        _, inputs, outputs = self.weight.shape
        drawn = uniform_latents(inputs + 1, outputs, rng) / math.sqrt(inputs)
        with torch.no_grad():
            self.weight[network].copy_(drawn[:-1])
            self.bias[network].copy_(drawn[-1:])

    def forward(self, features: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, features, self.weight)


class DenseGenerator(Generator):
    """Uniform latents through hidden layers with ReLU and one with a sigmoid (Li, Swersky & Zemel, ICML 2015, section 3).

    Either a network for each class (``networks`` is ``classes``), which share nothing, or one for all (``networks`` is 1), which is
    given the class beside the latent, one-hot. What comes out are the pixels of a picture; with a ``decoder``, a module
    from (n, outputs) to (n, c * h * w), codes of which it makes them.
    """

    def __init__(
        self,
        shape: Shape,
        latent: int,
        hidden: Sequence[int],
        classes: int,
        networks: int,
        decoder: nn.Module | None = None,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.latent, self.classes, self.networks = shape, latent, classes, networks
        sizes = (latent + (classes if networks == 1 else 0), *hidden, outputs or math.prod(shape))
        self.layers = nn.ModuleList(Dense(networks, *size) for size in pairwise(sizes))
        self.decoder = decoder or nn.Identity()

    def redraw(self, rngs: Sequence[Rng]) -> None:
        """New weights of the networks, of each from a stream of its own; the decoder stays."""
        for network, rng in enumerate(rngs):
            for number, layer in enumerate(self.layers):
                assert isinstance(layer, Dense)
                layer.redraw(network, rng.child(number))

    def draw(self, count: int, rng: Rng) -> Tensor:
        return uniform_latents(count, self.latent, rng)

    def codes(self, latents: Tensor) -> Tensor:
        """What the networks make, (classes, n, outputs) in [0, 1], of latents (classes, n, latent): as many of each class."""
        features = latents
        if self.networks == 1:
            of_class = torch.eye(self.classes, dtype=latents.dtype, device=latents.device)
            of_class = of_class[:, None].expand(-1, latents.shape[1], -1)
            features = torch.cat([latents, of_class], dim=2).flatten(0, 1)[None]
        for layer in self.layers[:-1]:
            features = layer(features).relu()
        codes: Tensor = self.layers[-1](features).sigmoid()
        return codes.view(self.classes, latents.shape[1], -1)

    def forward(self, latents: Tensor, rows: Tensor) -> Tensor:
        order = torch.argsort(rows, stable=True)
        counts = rows.bincount(minlength=self.classes)
        place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows[order]]
        padded = latents.new_zeros(self.classes, int(counts.max()), self.latent)
        padded[rows[order], place] = latents[order]
        codes = self.codes(padded)[rows[order], place]
        pictures: Tensor = self.decoder(torch.empty_like(codes).index_copy(0, order, codes))
        return pictures.view(-1, *self.shape)
