"""The networks of BigGAN (Brock et al., 2019) at the size that is used for CIFAR: a generator and a projection critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from condensation.core.rng import Rng
from condensation.generators.base import Generator
from condensation.generators.channels_last import to_channels_last
from condensation.generators.residual import Trunk
from condensation.generators.spectral_norm import add_spectral_norm
from condensation.networks.base import initialize

DEVIATION = 0.02  # of the normal distribution that weights begin with


class ClassNorm(nn.Module):
    """Batch norm whose scale and shift are those of the image's class; scales are kept as what they exceed 1 by."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)

    def forward(self, features: Tensor, rows: Tensor) -> Tensor:
        scale, shift = self.scale(rows)[:, :, None, None], self.shift(rows)[:, :, None, None]
        result: Tensor = self.norm(features) * (1 + scale) + shift
        return result


class UpBlock(nn.Module):
    """Twice the side: two 3x3 convolutions, each after a norm of the class and a ReLU, beside a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, classes: int) -> None:
        super().__init__()
        self.norm1 = ClassNorm(inputs, classes)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = ClassNorm(outputs, classes)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor, rows: Tensor) -> Tensor:
        inner = interpolate(relu(self.norm1(features, rows)), scale_factor=2)
        inner = self.conv2(relu(self.norm2(self.conv1(inner), rows)))
        result: Tensor = inner + self.shortcut(interpolate(features, scale_factor=2))
        return result


class BigGenerator(Generator):
    """Pictures (n, channels, side, side) in [0, 1] from latents (n, ``latent``) and the rows (n,) of their classes.

    The side is ``upsampling_plan`` doubled ``doublings`` times, every map has ``width`` channels: 256 for CIFAR.
    """

    def __init__(self, channels: int, upsampling_plan: int, doublings: int, width: int, latent: int, classes: int, rng: Rng) -> None:
        super().__init__()
        self.side, self.latent = upsampling_plan, latent
        with torch.random.fork_rng(devices=[]):  # torch fills new layers from its global stream
            self.linear = nn.Linear(latent, width * upsampling_plan**2)
            self.blocks = nn.ModuleList(UpBlock(width, width, classes) for _ in range(doublings))
            self.norm = nn.BatchNorm2d(width)
            self.conv = nn.Conv2d(width, channels, 3, padding=1)
        initialize_normal(self, rng.child("weights"))
        add_spectral_norm(self, rng.child("spectral"), nn.Conv2d, nn.Linear)

    def draw(self, count: int, rng: Rng) -> Tensor:
        return rng.normal((count, self.latent))

    def forward(self, latents: Tensor, rows: Tensor) -> Tensor:
        features: Tensor = self.linear(latents)
        features = to_channels_last(features.view(len(latents), -1, self.side, self.side))
        for block in self.blocks:
            features = block(features, rows)
        images: Tensor = self.conv(relu(self.norm(features)))
        return (images.tanh() + 1) / 2


class ProjectionCritic(nn.Module):
    """Scores (n,) of images (n, c, h, w) as images of the classes ``rows`` (n,) (Miyato & Koyama, 2018, eq. 3).

    The score is a linear function of the trunk's features and, added to it, their product with a vector of the class.
    """

    def __init__(self, channels: int, side: int, width: int, depth: int, classes: int, rng: Rng) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.trunk = Trunk(channels, side, width, depth)
            self.linear = nn.Linear(width, 1)
            self.of_class = nn.Embedding(classes, width)
        initialize_normal(self, rng.child("weights"))
        add_spectral_norm(self, rng.child("spectral"), nn.Conv2d, nn.Linear, nn.Embedding)

    def forward(self, images: Tensor, rows: Tensor) -> Tensor:
        _, features = self.trunk(images)
        score: Tensor = self.linear(features).squeeze(1) + (self.of_class(rows) * features).sum(1)
        return score


def initialize_normal(network: nn.Module, rng: Rng) -> None:
    """Weights from N(0, 0.02^2), biases and norms as PyTorch has them."""
    initialize(network, rng.child("others"))
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
                layer.weight.copy_(DEVIATION * rng.child(name).normal(tuple(layer.weight.shape)))
