"""What an augmentation is: it draws parameters, and gives a transform that applies them.

Drawing and applying are apart, because one draw applied to two batches *is* Siamese augmentation. An augmentation is
anything with the methods of `Augmentation`; `DSA` is ours, and `Seeded` makes one of any callable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng
from condensation.core.user_code import import_object, qualified_name, user_errors

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
class Seeded(Registered):
    """Any callable from images (n, c, h, w) to such images, as an augmentation; by name too, ``module:name`` or ``file.py:name``.

    What the callable draws from the global generators of torch, numpy and Python is seeded for each class (condensing) or
    each batch (training), and the generators are put back afterwards. It sees the images of one class at a time when
    condensing, so it is Siamese to the letter where it draws the same for a batch as for one image. ``options`` go to it
    by name with each call; a class is made with them once, and what it makes is called.
    """

    name_field: ClassVar[str | None] = "function"
    function: str | Callable[..., Tensor]
    options: dict[str, object] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """Name in messages and on cards."""
        return qualified_name(self.function)

    def fit(self, images: ImageSet) -> Seeded:
        _ = self._callable  # found now, if it can be found at all
        return self

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        return partial(self._by_class, [rng.child(label) for label in classes])

    def per_image(self, count: int, rng: Rng) -> Transform:
        return lambda images, rows: self._seeded(images, rng)

    @cached_property
    def _callable(self) -> Callable[[Tensor], Tensor]:
        found = import_object(self.function) if isinstance(self.function, str) else self.function
        if not callable(found):
            raise CondensationError(f"{self.label} is of type {type(found).__name__}; an augmentation is a function of images.")
        with user_errors(f"The augmentation {self.label} cannot be made"):
            made = found(**self.options) if isinstance(found, type) else partial(found, **self.options)
        if not callable(made):
            raise CondensationError(f"{self.label} makes {type(made).__name__}, which cannot be called with images.")
        return made

    def _by_class(self, rngs: Sequence[Rng], images: Tensor, rows: Tensor) -> Tensor:
        result = torch.empty_like(images)
        for row in sorted(set(rows.tolist())):
            mine = (rows == row).nonzero().squeeze(1).to(images.device)
            result = result.index_copy(0, mine, self._seeded(images[mine], rngs[row]))
        return result

    def _seeded(self, images: Tensor, rng: Rng) -> Tensor:
        with rng.globally(), user_errors(f"The augmentation {self.label} failed on images {tuple(images.shape)}"):
            result = self._callable(images)
        if not isinstance(result, Tensor) or result.shape != images.shape:
            gave = tuple(result.shape) if isinstance(result, Tensor) else f"a {type(result).__name__}"
            raise CondensationError(
                f"The augmentation {self.label} turned images {tuple(images.shape)} into {gave}; it must keep the shape."
            )
        if images.requires_grad and torch.is_grad_enabled() and not result.requires_grad:
            raise CondensationError(
                f"No gradient passes through the augmentation {self.label}, so no images can be learned through it.\n"
                "Write it with torch operations alone; as evaluation.recipe.augmentation it may be anything."
            )
        return result.to(images.dtype)
