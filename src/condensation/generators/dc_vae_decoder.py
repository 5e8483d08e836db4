"""The decoder and the encoder of DC-VAE (Parmar et al., CVPR 2021), at the size used for CIFAR10."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from condensation.core.rng import Rng
from condensation.generators.base import Generator
from condensation.generators.channels_last import to_channels_last
from condensation.generators.residual import Trunk
from condensation.generators.spectral_norm import add_spectral_norm
from condensation.networks.base import initialize

UPSAMPLING = ("nearest", "bilinear")  # alternating by cell


class UpCell(nn.Module):
    """AutoGAN's cell (Gong et al., ICCV 2019), which doubles the side; maps of earlier cells are added between its two convolutions."""

    def __init__(self, width: int, number: int, last: bool) -> None:
        super().__init__()
        self.mode = UPSAMPLING[number % 2]
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.earlier = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(number))
        self.shortcut = None if last else nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return features (n, width, 2 h, 2 w) and the map for later cells, given the ``maps`` of earlier cells."""
        inner = self.conv1(interpolate(relu(features), scale_factor=2, mode=self.mode))
        for conv, earlier in zip(self.earlier, maps, strict=True):
            inner = inner + conv(interpolate(earlier, size=inner.shape[2:], mode=self.mode))
        result: Tensor = self.conv2(relu(inner))
        if self.shortcut is not None:
            result = result + self.shortcut(interpolate(features, scale_factor=2, mode=self.mode))
        return result, inner


class Decoder(Generator):
    """Generator of pictures from a latent and a learned class vector beside it; with one class there is none, as in the paper."""

    def __init__(self, channels: int, first_side: int, doublings: int, width: int, latent: int, classes: int, rng: Rng) -> None:
        super().__init__()
        self.side, self.latent = first_side, latent
        with torch.random.fork_rng(devices=[]):  # new layers draw from torch's global generator
            self.of_class = nn.Embedding(classes, latent) if classes > 1 else None
            self.linear = nn.Linear(latent * (2 if classes > 1 else 1), width * first_side**2)
            self.cells = nn.ModuleList(UpCell(width, number, number == doublings - 1) for number in range(doublings))
            self.norm = nn.BatchNorm2d(width)
            self.conv = nn.Conv2d(width, channels, 3, padding=1)
        initialize_glorot(self, rng)

    def forward(self, latents: Tensor, class_index: Tensor) -> Tensor:
        if self.of_class is not None:
            latents = torch.cat([latents, self.of_class(class_index).to(latents.dtype)], 1)
        features: Tensor = self.linear(latents)
        features = to_channels_last(features.view(len(latents), -1, self.side, self.side))
        maps: list[Tensor] = []
        for cell in self.cells:
            features, inner = cell(features, maps)
            maps.append(inner)
        images: Tensor = self.conv(relu(self.norm(features)))
        return (images.tanh() + 1) / 2


class Encoder(nn.Module):
    """Latent distribution of images (n, c, h, w): means and log variances, concatenated to (n, 2 ``latent``)."""

    def __init__(self, channels: int, side: int, width: int, depth: int, latent: int, rng: Rng) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.trunk = Trunk(channels, side, width, depth)
            self.linear = nn.Linear(width, 2 * latent, bias=False)
        initialize_glorot(self, rng.child("weights"))
        add_spectral_norm(self, rng.child("spectral"), nn.Conv2d, nn.Linear)

    def forward(self, images: Tensor) -> Tensor:
        _, features = self.trunk(images)
        return self.linear(features)  # type: ignore[no-any-return]


def initialize_glorot(network: nn.Module, rng: Rng) -> None:
    """Initialize convolutions as Glorot & Bengio (2010), scales of norms from N(1, 0.02^2), the rest with PyTorch's defaults."""
    initialize(network, rng.child("others"))
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d):
                outputs, inputs, *kernel = layer.weight.shape
                bound = math.sqrt(6 / ((inputs + outputs) * math.prod(kernel)))
                uniform = torch.from_numpy(rng.child(name).generator().random(tuple(layer.weight.shape)))
                layer.weight.copy_((2 * uniform - 1) * bound)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.copy_(1 + 0.02 * rng.child(name).normal(tuple(layer.weight.shape)))
