"""Layers that several architectures share, and checks of their settings."""

from collections.abc import Callable, Iterable, Sequence

import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.errors import CondensationError, require, unknown
from condensation.core.images import Shape
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.cpu import dispatch

DEEPEST = 1000  # blocks; building more takes minutes


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution that keeps the image size."""

    pytorch_only = False  # never use `dispatch`

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        fast = None if self.pytorch_only else dispatch.conv3x3(maps, self.weight, self.bias)
        return super().forward(maps) if fast is None else fast


class InstanceNorm(nn.GroupNorm):
    """Instance norm with learned scale and shift: a group norm with one channel per group, which is faster than nn.InstanceNorm2d."""

    pytorch_only = False

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        fast = None if self.pytorch_only else dispatch.instance_norm(maps, self.weight, self.bias, self.eps)
        return super().forward(maps) if fast is None else fast


class PaddedConv(nn.Conv2d):
    """A convolution with more zero padding than its kernel needs.

    If its weight is trained, the input is padded first: oneDNN takes seven times as long for the weight gradient of a padding convolution.
    With a frozen weight, padding in the convolution is faster. The results are equal.
    """

    def forward(self, images: Tensor) -> Tensor:
        if not self.weight.requires_grad:
            return super().forward(images)
        height, width = (int(side) for side in self.padding)
        return F.conv2d(F.pad(images, (width, width, height, height)), self.weight, self.bias)


def use_pytorch_kernels(network: Classifier) -> Classifier:
    """Switch off `dispatch` in ``network`` and return it; `torch.func.vmap` requires this."""
    for module in network.modules():
        if isinstance(module, Conv3x3 | InstanceNorm):
            module.pytorch_only = True
    return network


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "instance": InstanceNorm,
    "group": lambda channels: nn.GroupNorm(4, channels),
}


class FusedSequential(nn.Sequential):
    """Layers in sequence; a leading convolution and instance norm are computed as one where `dispatch` supports it."""

    def forward(self, images: Tensor) -> Tensor:
        layers = list(self)
        normed = _fused_conv_norm(images, layers)
        if normed is not None:
            images, layers = normed, layers[2:]
        for layer in layers:
            images = layer(images)
        return images


def _fused_conv_norm(images: Tensor, layers: Sequence[nn.Module]) -> Tensor | None:
    """Return the output of the first two layers, computed as one; None if they must be computed in sequence."""
    conv, norm = layers[:2] if len(layers) > 1 else (None, None)
    # A tuple of types: the compiler of torch 2.6 refuses a union.
    if not isinstance(conv, (Conv3x3, PaddedConv)) or not isinstance(norm, InstanceNorm) or norm.pytorch_only:
        return None
    hooked = any(layer._forward_hooks or layer._forward_pre_hooks for layer in (conv, norm))  # hooks need each layer's own output
    return None if hooked else dispatch.conv3x3_instance_norm(images, conv, norm)


class Stack(Classifier):
    """Layers in sequence, flattened, with a linear layer on top."""

    def __init__(self, layers: Iterable[nn.Module], dims: int, num_classes: int) -> None:
        super().__init__()
        self.features = FusedSequential(*layers)
        self.classifier = nn.Linear(dims, num_classes)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features.flatten(1)


def convolution(inputs: int, outputs: int, kernel: int, extra: int = 0) -> nn.Conv2d:
    """Return a convolution that keeps the image size, except for ``extra`` pixels of padding on each side."""
    if kernel == 3 and not extra:
        return Conv3x3(inputs, outputs)
    return (PaddedConv if extra else nn.Conv2d)(inputs, outputs, kernel, padding=kernel // 2 + extra)


def extra_padding(image_shape: Shape) -> int:
    """Return the padding of the first convolution on each side: greyscale images of 28 pixels are padded to 32, as published."""
    return 2 if image_shape[0] == 1 else 0


def require_choice(spec: NetworkSpec, field: str, choices: Iterable[str]) -> None:
    """Check that a field of ``spec`` is one of ``choices``."""
    value, names = getattr(spec, field), tuple(choices)
    if value not in names:
        raise unknown(f"{type(spec).__name__} {field}", value, names, setting=f"network.{field}")


def require_positive(spec: NetworkSpec, *fields: str) -> None:
    """Check that fields of ``spec``, numbers or tuples of numbers, are at least 1, and the depth at most `DEEPEST`."""
    require(spec, "network", set(fields) & {"depth"}, lambda value: value <= DEEPEST, f"at most {DEEPEST}")
    require(spec, "network", fields, lambda value: min(value if isinstance(value, tuple) else (value,)) >= 1, "at least 1")


def require_pixels(family: str, image_shape: Shape, smallest: int) -> None:
    """Check that both sides of the images are at least ``smallest`` pixels."""
    _, height, width = image_shape
    if min(height, width) < smallest:
        hint = f"Enlarge the images (size={smallest}), or choose the network mlp, which takes any size."
        raise CondensationError(f"{family} needs images of at least {smallest}x{smallest} pixels, got {height}x{width}.", hint=hint)


def pooled_convolutions(
    family: str, plan: Sequence[tuple[int, int, bool]], norm: Callable[[int], nn.Module], image_shape: Shape, num_classes: int
) -> Stack:
    """Return convolutions with norm and ReLU, and with 2x2 max pooling if ``plan`` (output channels, kernel, pooled) asks for it."""
    channels, *sides = image_shape
    extra = extra_padding(image_shape)
    shrink = 2 ** sum(pooled for _, _, pooled in plan)
    require_pixels(family, image_shape, shrink - 2 * extra)
    height, width = ((side + 2 * extra) // shrink for side in sides)
    layers: list[nn.Module] = []
    for outputs, kernel, pooled in plan:
        layers += [convolution(channels, outputs, kernel, extra), norm(outputs), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] if pooled else []
        channels, extra = outputs, 0
    return Stack(layers, channels * height * width, num_classes)
