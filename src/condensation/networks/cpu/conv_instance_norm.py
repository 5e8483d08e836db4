"""A 3x3 convolution and the instance norm after it, as one matrix product per image.

With w the flattened weight of an output channel and C the covariance of the image's 3x3 patches, the variance of the output map is
w'Cw. The norm therefore becomes a per-image scaling of the weights and needs no pass over the maps, forward or backward. Rounding
errors grow if w takes differences of smooth images: w'Cw is then a small sum of large terms, with a relative error of up to 1e-4.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor


def conv3x3_instance_norm(images: Tensor, weight: Tensor, padding: int, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Return the instance norm of ``images`` (n, c, h, w) convolved with ``weight`` (out, c, 3, 3), channels-last; a bias would cancel."""
    count, _, height, width = images.shape
    height, width = height + 2 * padding - 2, width + 2 * padding - 2
    with torch.autocast(images.device.type, enabled=False):  # a variance is a small difference of large products
        rows, kernels = centred_patches(images, padding), weight.flatten(1)
        patches = rows[:, :-1]
        covariance = torch.bmm(patches, patches.transpose(1, 2)) / (height * width)
        variance = (kernels.matmul(covariance) * kernels).sum(2).clamp(min=0)  # (n, out)
        scaled = kernels * (scale * torch.rsqrt(variance + eps))[:, :, None]
        factors = torch.cat([scaled, shift[None, :, None].expand(count, -1, 1)], 2)  # (n, out, 9 c + 1)
        maps = torch.bmm(rows.transpose(1, 2), factors.transpose(1, 2))
    return maps.view(count, height, width, len(weight)).permute(0, 3, 1, 2)


def centred_patches(images: Tensor, padding: int) -> Tensor:
    """Return all 3x3 patches of the padded ``images`` (n, c, h, w) minus their mean, and a row of ones: (n, 9 c + 1, patches)."""
    padded = F.pad(images, (padding,) * 4)
    height, width = padded.shape[2] - 2, padded.shape[3] - 2
    shifted = [padded[:, :, top : top + height, left : left + width] for top in range(3) for left in range(3)]
    patches = torch.stack(shifted, 2).flatten(1, 2).flatten(2)
    return torch.cat([patches - patches.mean(2, keepdim=True), torch.ones_like(patches[:, :1])], 1)
