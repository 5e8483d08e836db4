"""Choice between PyTorch's layers and faster ones on a CPU; each function returns None if PyTorch's layer should be used.

All fast paths need `torch.compile`, which fuses their element-wise passes: without it they are slower than PyTorch's layers.
The results are equal up to rounding. Measurements: docs/speed.md, benchmarks/winograd.py and benchmarks/patches.py.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.networks.cpu import conv_instance_norm, winograd

CPU_CAPABILITY = torch.backends.cpu.get_cpu_capability()
WINOGRAD_CHANNELS = 128  # with fewer input or output channels, the transforms cost more than the saved multiplications
FUSED_MAX_INPUTS = 3  # image channels; the covariance of the patches grows with their square
FUSED_MIN_OUTPUTS = 64


def uses_channels_last(maps: Tensor) -> bool:
    """Return whether ``maps`` (n, c, h, w) are computed in float32 by a compiled program on a CPU with AVX2 but not AVX512.

    There, `winograd` makes the embedding of a ConvNet of width 128 1.5 times faster and its training 1.1 times. With AVX512 the gain
    does not make up for the longer compilation; with bfloat16 in hardware, direct convolutions are faster.
    """
    compiled = torch.compiler.is_compiling() and CPU_CAPABILITY == "AVX2"
    return compiled and maps.device.type == "cpu" and maps.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def conv3x3(maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """Return ``maps`` (n, c, h, w), padded by 1 and convolved with ``weight`` (out, c, 3, 3), channels-last; or None.

    Sides that divide by 4 use `winograd`. Other wide convolutions are direct but return the maps that the next convolution needs.
    """
    outputs, inputs = weight.shape[:2]
    if outputs < WINOGRAD_CHANNELS or not uses_channels_last(maps):
        return None
    maps = maps.contiguous(memory_format=torch.channels_last)
    if inputs < WINOGRAD_CHANNELS or not winograd.divides_into_tiles(maps):
        return F.conv2d(maps, weight.contiguous(memory_format=torch.channels_last), bias, padding=1)
    return winograd.conv3x3(maps, weight, bias)


def instance_norm(maps: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor | None:
    """Return the instance norm of channels-last ``maps`` (n, c, h, w) without changing their layout; or None."""
    if not uses_channels_last(maps) or maps.is_contiguous():
        return None
    pixels = maps.permute(0, 2, 3, 1)
    mean = pixels.mean((1, 2))
    variance = (pixels.square().mean((1, 2)) - mean.square()).clamp(min=0)
    factor = scale * torch.rsqrt(variance + eps)
    factor, offset = winograd.materialize(torch.stack([factor, shift - mean * factor]))[:, :, None, None].unbind()
    normed: Tensor = pixels * factor + offset
    return normed.permute(0, 3, 1, 2)


def conv3x3_instance_norm(images: Tensor, conv: nn.Conv2d, norm: nn.GroupNorm) -> Tensor | None:
    """Return the instance norm ``norm`` of the convolution ``conv`` of ``images`` (n, c, h, w); or None.

    `conv_instance_norm` computes both as one matrix product per image. In float32, training at width 128 is 1.2 times faster on
    colour images and 1.5 times on greyscale ones. It is slower below 64 output channels, and on colour images if the weights are frozen
    and the width is below 128 (in bfloat16: if either holds). The layer itself always computes in float32.
    """
    weight = conv.weight
    outputs, channels = weight.shape[:2]
    if not torch.compiler.is_compiling() or images.device.type != "cpu" or images.dtype != torch.float32:
        return None
    if conv.kernel_size != (3, 3) or channels > FUSED_MAX_INPUTS or outputs < FUSED_MIN_OUTPUTS:
        return None
    learns, wide = weight.requires_grad and torch.is_grad_enabled(), outputs >= 2 * FUSED_MIN_OUTPUTS
    pays_off = learns and wide if torch.is_autocast_enabled("cpu") else learns or wide
    if channels > 1 and not pays_off:
        return None
    # The norm cancels the bias of the convolution. Its gradient must be zero, not None.
    shift = norm.bias if conv.bias is None else norm.bias + 0 * conv.bias
    return conv_instance_norm.conv3x3_instance_norm(images, weight, int(conv.padding[0]), norm.weight, shift, norm.eps)
