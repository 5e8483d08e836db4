"""Fully connected generators, one per class or one for all classes, computed as batched matrix products."""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.generators.base import Generator, uniform_latents


class StackedLinear(nn.Module):
    """Linear layers of several networks: (networks, n, inputs) to (networks, n, outputs)."""

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(networks, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(networks, 1, outputs))

    def redraw(self, network: int, rng: Rng) -> None:
        """Re-initialize the layer of one network, uniform within 1 / sqrt(inputs) like PyTorch's linear layers."""
        _, inputs, outputs = self.weight.shape
        values = uniform_latents(inputs + 1, outputs, rng) / math.sqrt(inputs)
        with torch.no_grad():
            self.weight[network].copy_(values[:-1])
            self.bias[network].copy_(values[-1:])

    def forward(self, features: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, features, self.weight)


def _part(layer: nn.Module, networks: range) -> StackedLinear:
    """Return some networks of a layer, with the same memory."""
    assert isinstance(layer, StackedLinear)
    part = copy.copy(layer)
    rows = slice(networks.start, networks.stop)
    part._parameters = {name: nn.Parameter(value.detach()[rows]) for name, value in layer.named_parameters()}
    return part


class DenseGenerator(Generator):
    """Uniform latents, hidden layers with ReLU and an output layer with sigmoid (Li, Swersky & Zemel, ICML 2015, section 3).

    There is one network per class (``networks`` equals ``classes``), or one for all classes (``networks`` is 1, unless ``conditional`` is
    False), whose input is the latent and the one-hot class.
    Outputs are pixels, or codes for a ``decoder`` from (n, outputs) to (n, c * h * w).
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
        conditional: bool | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.latent, self.classes, self.networks = shape, latent, classes, networks
        self.conditional = networks == 1 if conditional is None else conditional
        sizes = (latent + (classes if self.conditional else 0), *hidden, outputs or math.prod(shape))
        self.layers = nn.ModuleList(StackedLinear(networks, *size) for size in pairwise(sizes))
        self.decoder = decoder or nn.Identity()

    def redraw(self, rngs: Sequence[Rng]) -> None:
        """Re-initialize each network from its own stream; the decoder does not change."""
        for network, rng in enumerate(rngs):
            for number, layer in enumerate(self.layers):
                assert isinstance(layer, StackedLinear)
                layer.redraw(network, rng.child(number))

    def part(self, classes: range) -> "DenseGenerator":
        """Return the networks of some classes, which share the weights of this generator but have gradients of their own."""
        part = copy.copy(self)
        part._modules = {"layers": nn.ModuleList(_part(layer, classes) for layer in self.layers), "decoder": self.decoder}
        part.classes = part.networks = len(classes)
        return part

    def take_gradients(self, parts: "Sequence[DenseGenerator]") -> None:
        """Give the gradients of ``parts``, which are those of all classes, to the weights of this generator."""
        for parameter, *some in zip(self.layers.parameters(), *(part.layers.parameters() for part in parts), strict=True):
            parameter.grad = torch.cat([one.grad for one in some if one.grad is not None])
            for one in some:
                one.grad = None

    def draw(self, count: int, rng: Rng) -> Tensor:
        return uniform_latents(count, self.latent, rng)

    def codes(self, latents: Tensor) -> Tensor:
        """Return the outputs (classes, n, outputs) in [0, 1] for latents (classes, n, latent), before the decoder."""
        features = latents
        if self.conditional:
            one_hot = torch.eye(self.classes, dtype=latents.dtype, device=latents.device)
            one_hot = one_hot[:, None].expand(-1, latents.shape[1], -1)
            features = torch.cat([latents, one_hot], dim=2).flatten(0, 1)[None]
        for layer in self.layers[:-1]:
            features = layer(features).relu()
        codes: Tensor = self.layers[-1](features).sigmoid()
        return codes.view(self.classes, latents.shape[1], -1)

    def forward(self, latents: Tensor, class_index: Tensor) -> Tensor:
        order = torch.argsort(class_index, stable=True)
        counts = class_index.bincount(minlength=self.classes)
        labels = class_index[order]
        position = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[labels]  # within its class
        padded = latents.new_zeros(self.classes, int(counts.max()), self.latent)
        padded[labels, position] = latents[order]
        codes = self.codes(padded)[labels, position]
        pictures: Tensor = self.decoder(torch.empty_like(codes).index_copy(0, order, codes))
        return pictures.view(-1, *self.shape)
