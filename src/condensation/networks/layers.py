"""What several families share: norms, the margin of grey images, a plain stack, and checks of settings and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.errors import CondensationError, unknown
from condensation.images import Shape
from condensation.networks.base import Classifier

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    # One group a channel: instance norm with learned scale and shift, faster than nn.InstanceNorm2d.
    "instance": lambda channels: nn.GroupNorm(channels, channels),
    "group": lambda channels: nn.GroupNorm(4, channels),
}


class Stack(Classifier):
    """Layers one after the other, flattened, and a linear layer on top."""

    def __init__(self, layers: Iterable[nn.Module], dims: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(dims, num_classes)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features.flatten(1)


class Framed(nn.Conv2d):
    """A convolution with more zeros around the image than its kernel asks for, computed in the way that is fast; the numbers are the same.

    Where weights are learned, images are padded first: oneDNN, which computes this on a CPU, takes seven times as long for
    their gradient if the convolution is to pad so much by itself. Frozen ones are faster if it does.
    """

    def forward(self, images: Tensor) -> Tensor:
        if not self.weight.requires_grad:
            return super().forward(images)
        height, width = (int(side) for side in self.padding)
        return F.conv2d(F.pad(images, (width, width, height, height)), self.weight, self.bias)


def convolution(inputs: int, outputs: int, kernel: int, extra: int = 0) -> nn.Conv2d:
    """A convolution that keeps the size of an image, ``extra`` zeros on each side included."""
    return (Framed if extra else nn.Conv2d)(inputs, outputs, kernel, padding=kernel // 2 + extra)


def margin(image_shape: Shape) -> int:
    """Extra zeros the first convolution puts around grey images: 28 pixels become 32, the size the networks are made for."""
    return 2 if image_shape[0] == 1 else 0


def choose(setting: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a ``value`` of ``setting`` that is not among ``choices``."""
    names = tuple(choices)
    if value not in names:
        raise unknown(setting, value, names)


def need_positive(setting: str, value: int) -> None:
    """Refuse a ``value`` of ``setting`` below one."""
    if value < 1:
        raise CondensationError(f"{setting} must be at least 1; it is {value}.")


def need_pixels(family: str, image_shape: Shape, smallest: int) -> None:
    """Refuse images with a side below ``smallest`` pixels."""
    _, height, width = image_shape
    if min(height, width) < smallest:
        raise CondensationError(
            f"{family} needs images of at least {smallest}x{smallest} pixels; these are {height}x{width}.\n"
            "Enlarge the images, or choose a network for smaller ones: mlp takes any size."
        )
