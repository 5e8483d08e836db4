"""Differentiable Siamese augmentation (DSA; Zhao & Bilen, 2021): one of six operations per draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.augment.base import Transform, apply_by_group
from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng

UNIFORMS = 3  # numbers drawn per image and operation


@dataclass(frozen=True)
class DSA(Registered):
    """Augmentation by one random operation per draw; the default ranges are those of the paper.

    Operations in ``always`` come first, each with its own parameters, as in the networks of IDC (Kim et al., ICML 2022).
    In condensation, each class draws an operation and parameters. In training, the batch draws an operation, each image its parameters.

    >>> import torch
    >>> from condensation import DSA, Rng
    >>> transform = DSA(operations=("flip", "crop")).per_image(4, Rng(0))
    >>> transform(torch.rand(4, 3, 32, 32), torch.arange(4)).shape
    torch.Size([4, 3, 32, 32])
    """

    name: ClassVar[str] = "dsa"
    operations: tuple[str, ...] = ("color", "crop", "cutout", "flip", "scale", "rotate")
    """Names of the operations to choose from."""
    always: tuple[str, ...] = ()
    """Names of operations that every draw applies first, in this order."""
    brightness: float = 1.0
    """Width of the range of the added brightness, U(-1/2, 1/2) * brightness; at least 0."""
    saturation: float = 2.0
    """Largest factor of the difference from the greyscale image, U(0, saturation); at least 0."""
    contrast: float = 0.5
    """Smallest factor of the difference from the mean of the image, U(contrast, 1 + contrast); at least 0."""
    crop: float = 0.125
    """Largest shift as a fraction of the side, 0 to 1; zeros fill the gap."""
    cutout: float = 0.5
    """Sides of the zeroed rectangle as a fraction of the sides of the image, 0 to 1."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    scale: float = 1.2
    """Largest factor of each axis, U(1 / scale, scale); at least 1."""
    rotate: float = 15.0
    """Largest angle in degrees, in either direction, 0 to 360."""

    def __post_init__(self) -> None:
        if strange := [name for name in (*self.operations, *self.always) if name not in OPERATIONS]:
            raise unknown("DSA operation", strange[0], OPERATIONS)
        if not self.operations:
            raise CondensationError("DSA needs at least one operation.", hint="For no augmentation, use None instead of DSA.")
        for name, (least, most) in LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise CondensationError(f"Expected {name} of DSA to be from {least:g} to {most:g}, got {getattr(self, name)}.")

    def fit(self, images: ImageSet) -> DSA:
        """Return this augmentation, without flips if mirroring may change a class. Raise CondensationError if no operation is left."""
        if images.flip_invariant:
            return self
        if set(self.operations) == {"flip"}:
            raise CondensationError("DSA has only the operation flip, but mirroring may change a class.", hint="Add another operation.")
        operations, always = (tuple(name for name in names if name != "flip") for names in (self.operations, self.always))
        return replace(self, operations=operations, always=always)

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        streams = [rng.child(label).generator() for label in classes]
        chosen = np.array([stream.integers(len(self.operations)) for stream in streams])
        uniforms = np.stack([stream.random(UNIFORMS, dtype=np.float32) for stream in streams])
        always = np.stack([stream.random((len(self.always), UNIFORMS), dtype=np.float32) for stream in streams])
        return DrawnDSA(self, torch.from_numpy(chosen), torch.from_numpy(uniforms), torch.from_numpy(always))

    def per_image(self, count: int, rng: Rng) -> Transform:
        stream = rng.generator()
        chosen = torch.full((count,), int(stream.integers(len(self.operations))))
        uniforms = stream.random((count, UNIFORMS), dtype=np.float32)
        always = stream.random((count, len(self.always), UNIFORMS), dtype=np.float32)
        return DrawnDSA(self, chosen, torch.from_numpy(uniforms), torch.from_numpy(always))


@dataclass(frozen=True, eq=False)
class DrawnDSA:
    """Draws of `DSA`, as a transform."""

    dsa: DSA
    chosen: Tensor  # index of the operation of each draw, (draws,) on the CPU
    uniforms: Tensor  # numbers in [0, 1) for the parameters of each draw, (draws, UNIFORMS) on the CPU
    always: Tensor  # the same for the operations that are always applied, (draws, operations, UNIFORMS) on the CPU

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """Apply each operation once, to all images whose draw chose it."""
        rows = rows.cpu()  # selecting images on the CPU avoids waiting for a GPU
        chosen = self.chosen[rows]
        always = self.always[rows].to(images)
        for index, name in enumerate(self.dsa.always):
            images = OPERATIONS[name](self.dsa, images, always[:, index])
        if len(set(chosen.tolist())) == 1:
            return self._apply(int(chosen[0]), images, rows)
        return apply_by_group(self._apply, images, rows, chosen)

    def concat(self, others: Sequence[Transform], count: int) -> DrawnDSA | None:
        """Return the draws of this and ``others`` as one transform; None if they differ in settings or do not have ``count`` draws."""
        draws = [draw for draw in (self, *others) if isinstance(draw, DrawnDSA) and draw.dsa == self.dsa and len(draw.chosen) == count]
        if len(draws) <= len(others):
            return None
        return DrawnDSA(self.dsa, *(torch.cat(parts) for parts in zip(*((d.chosen, d.uniforms, d.always) for d in draws), strict=True)))

    def _apply(self, operation: int, images: Tensor, rows: Tensor) -> Tensor:
        return OPERATIONS[self.dsa.operations[operation]](self.dsa, images, self.uniforms[rows].to(images))


def color(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Change brightness, then saturation, then contrast."""
    brightness, saturation, contrast = uniforms.view(-1, UNIFORMS, 1, 1, 1).unbind(1)
    images = images + (brightness - 0.5) * dsa.brightness
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (saturation * dsa.saturation) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + dsa.contrast) + mean


def crop(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Shift by whole pixels and fill with zeros."""
    rows, columns = (_shifted(side, dsa.crop, uniforms[:, axis]) for axis, side in enumerate(images.shape[2:]))
    # One ring of zeros around the image represents every pixel outside it.
    padded = F.pad(images, (1, 1, 1, 1))
    index = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def cutout(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Set a rectangle to zero; its centre may be anywhere in the image."""
    rows, columns = (_covered(side, dsa.cutout, uniforms[:, axis]) for axis, side in enumerate(images.shape[2:]))
    hole = rows[:, :, None] & columns[:, None, :]
    return images * (~hole)[:, None].to(images)


def flip(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Mirror left to right, with probability `DSA.flip`."""
    return torch.where((uniforms[:, 0] < dsa.flip).view(-1, 1, 1, 1), images.flip(3), images)


def scale(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Scale each axis by its own factor."""
    factors = uniforms[:, :2] * (dsa.scale - 1 / dsa.scale) + 1 / dsa.scale
    return _affine(images, torch.diag_embed(factors))


def rotate(dsa: DSA, images: Tensor, uniforms: Tensor) -> Tensor:
    """Rotate about the centre."""
    angle = (uniforms[:, 0] - 0.5) * 2 * math.radians(dsa.rotate)
    rows = [torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)]
    return _affine(images, torch.stack(rows, 1))


Operation = Callable[[DSA, Tensor, Tensor], Tensor]
"""Function of the settings, images (n, c, h, w) and numbers in [0, 1) for each image, (n, UNIFORMS)."""
OPERATIONS: dict[str, Operation] = {"color": color, "crop": crop, "cutout": cutout, "flip": flip, "scale": scale, "rotate": rotate}
LIMITS = {
    **dict.fromkeys(("brightness", "saturation", "contrast"), (0, math.inf)),
    **dict.fromkeys(("crop", "cutout", "flip"), (0, 1)),
    **{"scale": (1, math.inf), "rotate": (0, 360)},
}


def _shifted(side: int, fraction: float, uniform: Tensor) -> Tensor:
    """Return the index in the padded image of each row of each shifted image, (n, side)."""
    most = int(side * fraction + 0.5)
    shift = (uniform * (2 * most + 1)).floor().long() - most
    sources = torch.arange(side, device=uniform.device) + shift[:, None] + 1
    return sources.clamp(0, side + 1)


def _covered(side: int, fraction: float, uniform: Tensor) -> Tensor:
    """Return a mask of the rows of each image that the hole covers, (n, side)."""
    size = int(side * fraction + 0.5)
    # The centre of an even hole lies between two pixels, so it has one more position.
    centre = (uniform * (side + 1 - size % 2)).floor().long()
    first = (centre - size // 2)[:, None]
    index = torch.arange(side, device=uniform.device)
    return (index >= first) & (index < first + size)


def _affine(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample images by linear maps (n, 2, 2), with zeros outside."""
    shifts = matrices.new_zeros(len(matrices), 2, 1)
    grid = F.affine_grid(torch.cat([matrices, shifts], 2), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
