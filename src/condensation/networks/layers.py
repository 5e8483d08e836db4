"""What several families share: convolutions, norms, the margin of grey images, a plain stack, and checks of settings and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.errors import CondensationError, unknown
from condensation.core.images import Shape
from condensation.networks.base import Classifier
from condensation.networks.cpu import conv_instance_norm as patches
from condensation.networks.cpu import winograd


class Convolution(nn.Conv2d):
    """A 3x3 convolution that keeps the size of an image; wide ones by `winograd` where that pays."""

    direct = False  # never by `winograd`

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        if self.direct or self.out_channels < winograd.WIDE or not winograd.pays(maps):
            return super().forward(maps)
        # What follows stays channels-last, as the next convolution needs it.
        maps = maps.contiguous(memory_format=torch.channels_last)
        if self.in_channels < winograd.WIDE or not winograd.fits(maps):
            return F.conv2d(maps, self.weight.contiguous(memory_format=torch.channels_last), self.bias, padding=1)
        return winograd.convolution(maps, self.weight, self.bias)


class InstanceNorm(nn.GroupNorm):
    """With learned scale and shift: as a group norm of one group a channel, which is faster than nn.InstanceNorm2d."""

    direct = False

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        if self.direct or not winograd.pays(maps) or maps.is_contiguous():
            return super().forward(maps)
        pixels = maps.permute(0, 2, 3, 1)  # which lie so, if a `Convolution` made them
        mean = pixels.mean((1, 2))
        variance = (pixels.square().mean((1, 2)) - mean.square()).clamp(min=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        scale, shift = winograd.kept(torch.stack([scale, self.bias - mean * scale]))[:, :, None, None].unbind()
        result: Tensor = pixels * scale + shift
        return result.permute(0, 3, 1, 2)


def use_pytorch_kernels(network: Classifier) -> Classifier:
    """``network``, which from now on computes all convolutions directly: vectorised, it can't otherwise."""
    for module in network.modules():
        if isinstance(module, Convolution | InstanceNorm):
            module.direct = True
    return network


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "instance": InstanceNorm,
    "group": lambda channels: nn.GroupNorm(4, channels),
}


class Layers(nn.Sequential):
    """One after the other; a convolution and an instance norm at the front as one, by `patches`, where that pays."""

    def forward(self, images: Tensor) -> Tensor:
        layers = list(self)
        normed = first_two_as_one(images, layers)
        if normed is not None:
            images, layers = normed, layers[2:]
        for layer in layers:
            images = layer(images)
        return images


def first_two_as_one(images: Tensor, layers: Sequence[nn.Module]) -> Tensor | None:
    """What a 3x3 convolution and an instance norm at the front of ``layers`` make of ``images``, if it pays to do both at once."""
    if len(layers) < 2:
        return None
    first, norm = layers[:2]
    if not isinstance(first, Convolution | PaddedConv) or not isinstance(norm, InstanceNorm) or norm.direct:
        return None
    hooked = any(layer._forward_hooks or layer._forward_pre_hooks for layer in (first, norm))  # which want to see each by itself
    if hooked or first.kernel_size != (3, 3) or not patches.pays(images, first.weight):
        return None
    # The norm takes the bias of the convolution away; its gradient is zero, not none.
    shift = norm.bias if first.bias is None else norm.bias + 0 * first.bias
    return patches.normed_convolution(images, first.weight, int(first.padding[0]), norm.weight, shift, norm.eps)


class Stack(Classifier):
    """Layers one after the other, flattened, and a linear layer on top."""

    def __init__(self, layers: Iterable[nn.Module], dims: int, num_classes: int) -> None:
        super().__init__()
        self.features = Layers(*layers)
        self.classifier = nn.Linear(dims, num_classes)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features.flatten(1)


class PaddedConv(nn.Conv2d):
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
    if kernel == 3 and not extra:
        return Convolution(inputs, outputs)
    return (PaddedConv if extra else nn.Conv2d)(inputs, outputs, kernel, padding=kernel // 2 + extra)


def extra_padding(image_shape: Shape) -> int:
    """Extra zeros the first convolution puts around grey images: 28 pixels become 32, the size the networks are made for."""
    return 2 if image_shape[0] == 1 else 0


def require_choice(setting: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a ``value`` of ``setting`` that is not among ``choices``."""
    names = tuple(choices)
    if value not in names:
        raise unknown(setting, value, names)


def require_positive(setting: str, value: int) -> None:
    """Refuse a ``value`` of ``setting`` below one."""
    if value < 1:
        raise CondensationError(f"{setting} must be at least 1; it is {value}.")


def require_pixels(family: str, image_shape: Shape, smallest: int) -> None:
    """Refuse images with a side below ``smallest`` pixels."""
    _, height, width = image_shape
    if min(height, width) < smallest:
        raise CondensationError(
            f"{family} needs images of at least {smallest}x{smallest} pixels; these are {height}x{width}.\n"
            "Enlarge the images, or choose a network for smaller ones: mlp takes any size."
        )
