"""CutMix (Yun et al., ICCV 2019): a box of each image is replaced by that of another, and the labels are mixed alike."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

from condensation.core.rng import Rng


def cutmix(images: Tensor, targets: Tensor, rngs: Sequence[Rng], probability: float, classes: int) -> tuple[Tensor, Tensor]:
    """Return the images (k * n, c, h, w) and soft targets (k * n, classes) of k batches, each mixed with ``probability`` by its own stream.

    ``targets`` are labels (k * n,) or soft targets. A mixed batch has one box; each image gets that part of another image, by a random
    permutation. The area of the box is uniform before clipping (Beta(1, 1)); the weight of the other target is the exact area.
    """
    targets = targets if targets.is_floating_point() else F.one_hot(targets, classes).to(images.dtype)
    count, (height, width) = len(images) // len(rngs), images.shape[2:]
    images, targets = images.clone(), targets.clone()
    for k, rng in enumerate(rngs):
        stream = rng.generator()
        if stream.random() >= probability:
            continue
        side = np.sqrt(stream.random())  # of the box, as a fraction
        top, bottom = _interval(stream, height, side)
        left, right = _interval(stream, width, side)
        batch = slice(k * count, (k + 1) * count)
        other = torch.from_numpy(stream.permutation(count)).to(images.device)
        area = (bottom - top) * (right - left) / (height * width)
        images[batch, :, top:bottom, left:right] = images[batch][other, :, top:bottom, left:right]
        targets[batch] = (1 - area) * targets[batch] + area * targets[batch][other]
    return images, targets


def _interval(stream: np.random.Generator, length: int, fraction: float) -> tuple[int, int]:
    """Return the ends of an interval of ``fraction`` of ``length`` around a random centre, clipped to 0 and ``length``."""
    half, centre = int(length * fraction) // 2, int(stream.integers(length))
    return max(0, centre - half), min(length, centre + half)
