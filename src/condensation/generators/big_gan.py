"""The generator and the projection critic of BigGAN (Brock et al., ICLR 2019), at the size used for CIFAR10."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from condensation.core.rng import Rng
from condensation.generators.base import Generator
from condensation.generators.channels_last import to_channels_last
from condensation.generators.residual import Trunk
from condensation.generators.spectral_norm import add_spectral_norm
from condensation.networks.base import initialize

INITIAL_STD = 0.02  # of the initial weights


class ClassNorm(nn.Module):
    """Class-conditional batch norm: norm(x) * (1 + scale[class]) + shift[class]."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)

    def forward(self, features: Tensor, class_index: Tensor) -> Tensor:
        scale, shift = self.scale(class_index)[:, :, None, None], self.shift(class_index)[:, :, None, None]
        return self.norm(features) * (1 + scale) + shift  # type: ignore[no-any-return]


class UpBlock(nn.Module):
    """A residual block that doubles the side: two 3x3 convolutions, each after a class norm and a ReLU, and a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int, classes: int) -> None:
        super().__init__()
        self.norm1 = ClassNorm(inputs, classes)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = ClassNorm(outputs, classes)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor, class_index: Tensor) -> Tensor:
        inner = interpolate(relu(self.norm1(features, class_index)), scale_factor=2)
        inner = self.conv2(relu(self.norm2(self.conv1(inner), class_index)))
        return inner + self.shortcut(interpolate(features, scale_factor=2))  # type: ignore[no-any-return]


class BigGenerator(Generator):
    """Generator of pictures whose side is ``first_side`` doubled ``doublings`` times; maps have ``width`` channels, 256 for CIFAR10."""

    def __init__(self, channels: int, first_side: int, doublings: int, width: int, latent: int, classes: int, rng: Rng) -> None:
        super().__init__()
        self.side, self.latent = first_side, latent
        with torch.random.fork_rng(devices=[]):  # new layers draw from torch's global generator
            self.linear = nn.Linear(latent, width * first_side**2)
            self.blocks = nn.ModuleList(UpBlock(width, width, classes) for _ in range(doublings))
            self.norm = nn.BatchNorm2d(width)
            self.conv = nn.Conv2d(width, channels, 3, padding=1)
        initialize_normal(self, rng.child("weights"))
        add_spectral_norm(self, rng.child("spectral"), nn.Conv2d, nn.Linear)

    def forward(self, latents: Tensor, class_index: Tensor) -> Tensor:
        features: Tensor = self.linear(latents)
        features = to_channels_last(features.view(len(latents), -1, self.side, self.side))
        for block in self.blocks:
            features = block(features, class_index)
        images: Tensor = self.conv(relu(self.norm(features)))
        return (images.tanh() + 1) / 2


class ProjectionCritic(nn.Module):
    """Scores v_y . phi(x) + psi(phi(x)), (n,), of images x (n, c, h, w) and classes y (n,) (Miyato & Koyama, ICLR 2018, eq. 3)."""

    def __init__(self, channels: int, side: int, width: int, depth: int, classes: int, rng: Rng) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.trunk = Trunk(channels, side, width, depth)  # phi
            self.linear = nn.Linear(width, 1)  # psi
            self.of_class = nn.Embedding(classes, width)  # v
        initialize_normal(self, rng.child("weights"))
        add_spectral_norm(self, rng.child("spectral"), nn.Conv2d, nn.Linear, nn.Embedding)

    def forward(self, images: Tensor, class_index: Tensor) -> Tensor:
        _, features = self.trunk(images)
        return self.linear(features).squeeze(1) + (self.of_class(class_index) * features).sum(1)  # type: ignore[no-any-return]


def initialize_normal(network: nn.Module, rng: Rng) -> None:
    """Initialize weights from N(0, 0.02^2), biases and norms with PyTorch's defaults."""
    initialize(network, rng.child("others"))
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding) and not layer.weight.is_meta:
                layer.weight.copy_(INITIAL_STD * rng.child(name).normal(tuple(layer.weight.shape)))
