"""Differentiable Siamese augmentation (DSA; Zhao & Bilen, 2021): draw the parameters, then apply them.

Drawing and applying are apart, because one draw applied to two batches *is* Siamese augmentation. An augmentation is
anything with the two methods of `Augmentation`; `DSA` is ours, and `Seeded` makes one of any callable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.errors import CondensationError, unknown
from condensation.images import ImageSet
from condensation.rng import Rng

# A transform takes images (n, c, h, w) and the row (n,) of the draw that each of them follows.
Transform = Callable[[Tensor, Tensor], Tensor]
# An operation takes images (n, c, h, w) and, for each, its own numbers in [0, 1): (n, UNIFORMS).
Operation = Callable[[Tensor, Tensor], Tensor]
UNIFORMS = 3


class Augmentation(Protocol):
    """How images are augmented, when condensing and when training."""

    def fit(self, images: ImageSet) -> Augmentation:
        """The augmentation that suits ``images``."""

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        """A transform whose row r treats all images of ``classes[r]`` alike, real and synthetic."""

    def per_image(self, count: int, rng: Rng) -> Transform:
        """A transform whose row i is for image i of a batch of ``count``."""


@dataclass(frozen=True)
class DSA:
    """One of ``operations``, chosen by chance for each draw, with its parameters drawn from these ranges.

    When condensing, each class draws its own operation and parameters, the same for all of its images; when training,
    the batch draws one operation, and each image its own parameters. Ranges are those of the paper.
    """

    operations: tuple[str, ...] = ("color", "crop", "cutout", "flip", "scale", "rotate")
    brightness: float = 1.0  # added: U(-1/2, 1/2) times this
    saturation: float = 2.0  # distance from an image's grey version: times U(0, this)
    contrast: float = 0.5  # distance from an image's mean: times U(this, 1 + this)
    crop: float = 0.125  # shift up to this part of the side, zeros moved in
    cutout: float = 0.5  # side of the square of zeros, as a part of the image's
    flip: float = 0.5  # probability
    scale: float = 1.2  # each axis times U(1 / this, this)
    rotate: float = 15.0  # degrees either way

    def __post_init__(self) -> None:
        for name in self.operations:
            if name not in OPERATIONS:
                raise unknown("DSA operation", name, OPERATIONS)
        if not self.operations:
            raise CondensationError("DSA needs at least one operation. For no augmentation, give 'none' in its place.")
        for name, (least, most) in RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise CondensationError(f"DSA's {name} is {getattr(self, name)}; it must lie in {least:g} to {most:g}.")

    def fit(self, images: ImageSet) -> DSA:
        """Without flips, where a mirror image means something else."""
        if images.mirrored:
            return self
        kept = tuple(name for name in self.operations if name != "flip")
        if not kept:
            raise CondensationError(
                "These images must not be mirrored, and flip is all that DSA may do.\nGive it other operations as well."
            )
        return replace(self, operations=kept)

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        streams = [rng.child(label).generator() for label in classes]
        chosen = np.array([stream.integers(len(self.operations)) for stream in streams])
        return self._transform(chosen, np.stack([stream.random(UNIFORMS, dtype=np.float32) for stream in streams]))

    def per_image(self, count: int, rng: Rng) -> Transform:
        stream = rng.generator()
        chosen = np.full(count, stream.integers(len(self.operations)))
        return self._transform(chosen, stream.random((count, UNIFORMS), dtype=np.float32))

    def _transform(self, chosen: np.ndarray, uniforms: np.ndarray) -> Transform:
        operations = {int(k): partial(OPERATIONS[self.operations[k]], self) for k in np.unique(chosen)}
        return partial(_apply, operations, torch.from_numpy(chosen), torch.from_numpy(uniforms))


def _apply(operations: Mapping[int, Operation], chosen: Tensor, uniforms: Tensor, images: Tensor, rows: Tensor) -> Tensor:
    """Each operation once, on all images whose row chose it."""
    uniforms = uniforms.to(images)[rows]
    if len(operations) == 1:
        (operation,) = operations.values()
        return operation(images, uniforms)
    of_image = chosen.to(images.device)[rows]
    result = torch.empty_like(images)
    for index, operation in operations.items():
        mine = (of_image == index).nonzero().squeeze(1)
        if len(mine):
            result = result.index_copy(0, mine, operation(images[mine], uniforms[mine]))
    return result


def color(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Brightness, then saturation, then contrast."""
    brightness, saturation, contrast = uniforms.view(-1, UNIFORMS, 1, 1, 1).unbind(1)
    images = images + (brightness - 0.5) * dsa.brightness
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (saturation * dsa.saturation) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + dsa.contrast) + mean


def crop(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Shift by whole pixels, zeros moved in."""
    height, width = images.shape[2:]
    rows = _shifted(height, dsa.crop, uniforms[:, 0])
    columns = _shifted(width, dsa.crop, uniforms[:, 1])
    # One ring of zeros around the image stands for all that lies outside it.
    padded = F.pad(images, (1, 1, 1, 1))
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """A rectangle of zeros, its centre anywhere in the image."""
    height, width = images.shape[2:]
    rows = _covered(height, dsa.cutout, uniforms[:, 0])
    columns = _covered(width, dsa.cutout, uniforms[:, 1])
    hole = rows[:, :, None] & columns[:, None, :]
    return images * (~hole)[:, None].to(images)


def flip(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Left to right, with the probability given."""
    return torch.where((uniforms[:, 0] < dsa.flip).view(-1, 1, 1, 1), images.flip(3), images)


def scale(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Each axis by its own factor."""
    factors = uniforms[:, :2] * (dsa.scale - 1 / dsa.scale) + 1 / dsa.scale
    return _affine(images, torch.diag_embed(factors))


def rotate(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """About the centre."""
    angle = (uniforms[:, 0] - 0.5) * 2 * math.radians(dsa.rotate)
    rows = [torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)]
    return _affine(images, torch.stack(rows, 1))


OPERATIONS: dict[str, Callable[[DSA, Tensor, Tensor], Tensor]] = {
    "color": color,
    "crop": crop,
    "cutout": cutout,
    "flip": flip,
    "scale": scale,
    "rotate": rotate,
}


RANGES = {
    "brightness": (0, math.inf),
    "saturation": (0, math.inf),
    "contrast": (0, math.inf),
    "crop": (0, 1),
    "cutout": (0, 1),
    "flip": (0, 1),
    "scale": (1, math.inf),
    "rotate": (0, 360),
}


def _shifted(side: int, part: float, uniform: Tensor) -> Tensor:
    """For each image, where each of its rows comes from in the padded image: (n, side)."""
    most = int(side * part + 0.5)
    shift = (uniform * (2 * most + 1)).floor().long() - most
    places = torch.arange(side, device=uniform.device) + shift[:, None] + 1
    return places.clamp(0, side + 1)


def _covered(side: int, part: float, uniform: Tensor) -> Tensor:
    """For each image, which of its rows the hole covers: (n, side)."""
    size = int(side * part + 0.5)
    # An even hole has its centre between two pixels, hence one place more.
    centre = (uniform * (side + 1 - size % 2)).floor().long()
    first = (centre - size // 2)[:, None]
    places = torch.arange(side, device=uniform.device)
    return (places >= first) & (places < first + size)


def _affine(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample images under linear maps (n, 2, 2), zeros outside."""
    shifts = matrices.new_zeros(len(matrices), 2, 1)
    grid = F.affine_grid(torch.cat([matrices, shifts], 2), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@dataclass(frozen=True)
class Seeded:
    """Any callable from images (n, c, h, w) to such images, as an augmentation.

    What the callable draws from torch's global generator is seeded for each class (condensing) or each batch
    (training), and the generator is put back afterwards. It sees the images of one class at a time when condensing, so
    it is Siamese to the letter where it draws the same for a batch as for one image.
    """

    function: Callable[[Tensor], Tensor]

    def fit(self, images: ImageSet) -> Seeded:
        return self

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        return partial(self._by_class, [rng.child(label).integer() for label in classes])

    def per_image(self, count: int, rng: Rng) -> Transform:
        seed = rng.integer()
        return lambda images, rows: self._seeded(images, seed)

    def _by_class(self, seeds: Sequence[int], images: Tensor, rows: Tensor) -> Tensor:
        result = torch.empty_like(images)
        for row in sorted(set(rows.tolist())):
            mine = (rows == row).nonzero().squeeze(1)
            result = result.index_copy(0, mine, self._seeded(images[mine], seeds[row]))
        return result

    def _seeded(self, images: Tensor, seed: int) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            result = self.function(images)
        if result.shape != images.shape:
            raise CondensationError(
                f"The augmentation turned images {tuple(images.shape)} into {tuple(result.shape)}; it must keep the shape."
            )
        return result
