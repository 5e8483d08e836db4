"""The first convolution of a network and the instance norm that follows, as one product of matrices for each image.

A 3x3 convolution multiplies its weights with patches of 9 numbers a channel. Where channels are few, mean and variance of each map
that comes out are cheaper found from the patches than from the maps: for the weights w of a map and the covariance C of the patches
the variance is w'Cw. So the norm becomes part of the weights, other ones for each image, and no pass over the maps is left of it, nor
of its gradient. The same but for rounding, which is larger where w takes differences of smooth images: w'Cw is then a small sum of large
terms, off by up to some 1e-4 of itself. For compiled programs on a CPU, which spend much of their time on those passes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

FEW, MANY = 3, 64  # channels that go in and that come out, up to which and from which on it pays


def pays(images: Tensor, weights: Tensor) -> bool:
    """Whether ``images`` (n, c, h, w) and ``weights`` (out, c, 3, 3) are computed with where this is faster: compiled, on a CPU.

    For grey images, and for others where weights learn or are twice as many; where layers are computed in bfloat16, if both. This layer
    is computed in float32 all the same.
    """
    outputs, channels = weights.shape[:2]
    if not torch.compiler.is_compiling() or images.device.type != "cpu" or images.dtype != torch.float32:
        return False
    if channels > FEW or outputs < MANY:
        return False
    learn, wide = weights.requires_grad and torch.is_grad_enabled(), outputs >= 2 * MANY
    enough = all if torch.is_autocast_enabled("cpu") else any
    return channels == 1 or enough((learn, wide))


def normed_convolution(images: Tensor, weights: Tensor, padding: int, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """``images`` (n, c, h, w) convolved with ``weights`` (out, c, 3, 3), then instance norm with ``scale`` and ``shift`` (out,).

    A bias of the convolution would make no difference. The maps (n, out, h, w) lie channels-last.
    """
    count, _, height, width = images.shape
    height, width = height + 2 * padding - 2, width + 2 * padding - 2
    with torch.autocast(images.device.type, enabled=False):  # a variance is a small difference of large products
        rows, kernels = centred_patches(images, padding), weights.flatten(1)
        patches = rows[:, :-1]
        covariance = torch.bmm(patches, patches.transpose(1, 2)) / (height * width)
        variance = (kernels.matmul(covariance) * kernels).sum(2).clamp(min=0)  # (n, out)
        stretched = kernels * (scale * torch.rsqrt(variance + eps))[:, :, None]
        factors = torch.cat([stretched, shift[None, :, None].expand(count, -1, 1)], 2)  # (n, out, 9 c + 1)
        maps = torch.bmm(rows.transpose(1, 2), factors.transpose(1, 2))
    return maps.view(count, height, width, len(weights)).permute(0, 3, 1, 2)


def centred_patches(images: Tensor, padding: int) -> Tensor:
    """All 3x3 patches of padded ``images`` (n, c, h, w) less their mean, and a last row of ones: (n, 9 c + 1, patches)."""
    around = F.pad(images, (padding,) * 4)
    height, width = around.shape[2] - 2, around.shape[3] - 2
    moved = [around[:, :, top : top + height, left : left + width] for top in range(3) for left in range(3)]
    patches = torch.stack(moved, 2).flatten(1, 2).flatten(2)
    return torch.cat([patches - patches.mean(2, keepdim=True), torch.ones_like(patches[:, :1])], 1)
