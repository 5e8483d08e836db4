"""What an augmentation is: it draws parameters, and gives a transform that applies them.

Drawing and applying are apart, because one draw applied to two batches *is* Siamese augmentation. An augmentation is
anything with the methods of `Augmentation`; `DSA` is ours, and `Seeded` makes one of any callable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from condensation.errors import CondensationError
from condensation.images import ImageSet
from condensation.rng import Rng

# A transform takes images (n, c, h, w) and the row (n,) of the draw that each of them follows, on any device.
Transform = Callable[[Tensor, Tensor], Tensor]


class Augmentation(Protocol):
    """How images are augmented, when condensing and when training."""

    def fit(self, images: ImageSet) -> Augmentation:
        """The augmentation that suits ``images``."""

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        """A transform whose row r treats all images of ``classes[r]`` alike, real and synthetic."""

    def per_image(self, count: int, rng: Rng) -> Transform:
        """A transform whose row i is for image i of a batch of ``count``."""


@runtime_checkable
class Joinable(Protocol):
    """A transform that knows how to become one with others of its kind."""

    def joined(self, others: Sequence[Transform], count: int) -> Transform | None:
        """`side_by_side` of this one and ``others``; None if they are not alike."""


def side_by_side(transforms: Sequence[Transform], count: int) -> Transform:
    """One transform for batches of ``count`` images that lie one after the other: row r of batch k is k * count + r."""
    first, *others = transforms
    if not others:
        return first
    together = first.joined(others, count) if isinstance(first, Joinable) else None
    return together or partial(_one_by_one, transforms, count)


def _one_by_one(transforms: Sequence[Transform], count: int, images: Tensor, rows: Tensor) -> Tensor:
    result = torch.empty_like(images)
    for k, transform in enumerate(transforms):
        mine = (rows // count == k).nonzero().squeeze(1)
        if len(mine):
            on_device = mine.to(images.device)
            result = result.index_copy(0, on_device, transform(images[on_device], rows[mine] - k * count))
    return result


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
            mine = (rows == row).nonzero().squeeze(1).to(images.device)
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
