"""Networks as users write them, imported by name in the tests of `UserModule`."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def plain(channels: int, num_classes: int, width: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, num_classes)
    )


class BatchNorm(nn.Module):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(in_channels, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Linear(6, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def dropout(image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(math.prod(image_shape), 8), nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, num_classes)
    )


class Functional(nn.Module):
    """Functional dropout and batch norm, which no layer shows."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, image_shape[0], 3, 3) / 5)
        self.scale = nn.Parameter(torch.rand(6))
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("variance", torch.ones(6))
        self.fc = nn.Linear(6, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.conv2d(images, self.kernel)
        features = functional.batch_norm(features, self.mean, self.variance, self.scale, training=self.training)
        return self.fc(functional.dropout(features.relu().mean((2, 3)), 0.2, self.training))


class Raw(nn.Module):
    """Parameters without layers, and a method ``embed``."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        dims = math.prod(image_shape)
        self.first = nn.Parameter(torch.randn(dims, 8) / math.sqrt(dims))
        self.second = nn.Parameter(torch.randn(8, num_classes) / 3)

    def embed(self, images: Tensor) -> Tensor:
        return (images.flatten(1) @ self.first).tanh()

    def forward(self, images: Tensor) -> Tensor:
        return self.embed(images) @ self.second


class Patches(nn.Module):
    """A small transformer: patches, a class token, positions, attention and layer norms."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, patch: int = 4, dims: int = 8) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.patches = nn.Conv2d(channels, dims, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dims))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (height // patch) * (width // patch), dims))
        nn.init.trunc_normal_(self.token, std=0.02)
        layer = nn.TransformerEncoderLayer(dims, 2, 16, dropout=0.1, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dims)
        self.head = nn.Linear(dims, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), tokens], 1) + self.positions
        return self.head(self.norm(self.blocks(tokens))[:, 0])


def by_numpy(image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Weights from the generators of numpy and Python."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), 8), nn.ReLU(), nn.Linear(8, num_classes))
    with torch.no_grad():
        network[1].weight.copy_(torch.from_numpy(np.random.randn(*network[1].weight.shape)) / 10)
        network[3].weight.fill_(random.random())
    return network


def double(channels: int, num_classes: int) -> nn.Module:
    return plain(channels, num_classes).double()


def lazy(num_classes: int) -> nn.Module:
    """Lazy layers, which take their sizes from the images."""
    return nn.Sequential(nn.LazyConv2d(6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LazyLinear(num_classes))


class Timm(nn.Module):
    """As the models of timm take their arguments."""

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, img_size: int | tuple[int, int] = 224, width: int = 6) -> None:
        super().__init__()
        self.img_size = img_size
        self.stem = nn.Conv2d(in_chans, width, 3)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.stem(images).relu().mean((2, 3)))


def timm_like(pretrained: bool = False, **kwargs: object) -> nn.Module:
    return Timm(**kwargs)  # type: ignore[arg-type]


def torchvision_like(*, weights: object = None, progress: bool = True, **kwargs: int) -> nn.Module:
    return BatchNorm(in_channels=3, **kwargs)


made = plain(3, 3)


def seeding(channels: int, num_classes: int) -> nn.Module:
    torch.manual_seed(0)
    return plain(channels, num_classes)


def without_gradient(channels: int, num_classes: int) -> nn.Module:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.head = nn.Conv2d(channels, 4, 3), nn.Linear(4, num_classes)

        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.features(images).mean((2, 3))
            return self.head(features)

    return Blind()


def wavering(channels: int, num_classes: int) -> nn.Module:
    return plain(channels, num_classes, width=random.choice(range(3, 300)))


def no_parameters(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Identity())


def headless(channels: int, num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, num_classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def unpooled(channels: int, num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, num_classes, 3), nn.Flatten())


def for_digits(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))


def nothing(num_classes: int) -> None:
    """Forgets to return."""


def two_things(channels: int, num_classes: int) -> nn.Module:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = plain(channels, num_classes)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return self.module(images), images

    return Two()


def raising(num_classes: int) -> nn.Module:
    raise RuntimeError("the weights\nare not here")


def unsaid(depth: int, num_classes: int) -> nn.Module:
    return plain(3, num_classes)


not_callable = 3
