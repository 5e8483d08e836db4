"""Differentiable Siamese augmentation (DSA; Zhao & Bilen, 2021): six operations, one of them for each draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.augment.base import Transform
from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng

UNIFORMS = 3


@dataclass(frozen=True)
class DSA(Registered):
    """One of ``operations``, chosen by chance for each draw, with its parameters drawn from these ranges.

    When condensing, each class draws its own operation and parameters, the same for all of its images; when training,
    the batch draws one operation, and each image its own parameters. Ranges are those of the paper.
    """

    name: ClassVar[str] = "dsa"
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
        if images.flip_invariant:
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

    def _transform(self, chosen: np.ndarray, uniforms: np.ndarray) -> DrawnDSA:
        return DrawnDSA(self, torch.from_numpy(chosen), torch.from_numpy(uniforms))


@dataclass(frozen=True, eq=False)
class DrawnDSA:
    """What `DSA` drew, as a transform."""

    dsa: DSA
    chosen: Tensor  # (rows,) places in the operations, on the CPU
    uniforms: Tensor  # (rows, UNIFORMS) in [0, 1), on the CPU

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """Each operation once, on all images whose row chose it."""
        rows = rows.cpu()  # what was drawn is there, and a GPU need not be asked where each operation applies
        uniforms, of_image = self.uniforms[rows].to(images), self.chosen[rows]
        used = sorted(set(of_image.tolist()))
        if len(used) == 1:
            return self._operation(used[0])(self.dsa, images, uniforms)
        result = torch.empty_like(images)
        for index in used:
            mine = (of_image == index).nonzero().squeeze(1).to(images.device)
            result = result.index_copy(0, mine, self._operation(index)(self.dsa, images[mine], uniforms[mine]))
        return result

    def joined(self, others: Sequence[Transform], count: int) -> DrawnDSA | None:
        """One draw whose rows are those of this one, then those of ``others``; None if they differ in settings or size."""
        all_of_them = [self, *others]
        if not all(isinstance(one, DrawnDSA) and one.dsa == self.dsa and len(one.chosen) == count for one in all_of_them):
            return None
        chosen, uniforms = zip(*((one.chosen, one.uniforms) for one in all_of_them if isinstance(one, DrawnDSA)), strict=True)
        return DrawnDSA(self.dsa, torch.cat(chosen), torch.cat(uniforms))

    def _operation(self, index: int) -> Operation:
        return OPERATIONS[self.dsa.operations[index]]


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
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


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


# An operation takes the settings, images (n, c, h, w) and, for each, its own numbers in [0, 1): (n, UNIFORMS).
Operation = Callable[[DSA, Tensor, Tensor], Tensor]
OPERATIONS: dict[str, Operation] = {
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
