"""Augmentations: objects that draw parameters and return a transform that applies them.

Drawing and applying are separate, so that one draw can be applied to two batches (Siamese augmentation). Any object with the methods
of `Augmentation` can be used; `Seeded` wraps any callable.
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
from condensation.core.plain import Registered, qualified_name
from condensation.core.rng import Rng
from condensation.core.user_code import import_object, user_errors

Transform = Callable[[Tensor, Tensor], Tensor]
"""Function of images (n, c, h, w) and the index (n,) of the draw for each image, on any device."""


class Augmentation(Protocol):
    """Augmentation of images during condensation and training.

    >>> import torch
    >>> from condensation import DSA, Rng
    >>> transform = DSA().per_class([0, 1], Rng(0))  # one draw for class 0 and one for class 1
    >>> transform(torch.rand(6, 3, 32, 32), torch.tensor([0, 0, 0, 1, 1, 1])).shape
    torch.Size([6, 3, 32, 32])
    """

    def fit(self, images: ImageSet) -> Augmentation:
        """Return this augmentation restricted to operations that suit ``images``."""

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        """Return a transform whose draw r applies the same parameters to all images of ``classes[r]``, real and synthetic."""

    def per_image(self, count: int, rng: Rng) -> Transform:
        """Return a transform whose draw i is for image i of a batch of ``count``."""


@runtime_checkable
class Concatenable(Protocol):
    """Transform that can be computed together with others of its kind."""

    def concat(self, others: Sequence[Transform], count: int) -> Transform | None:
        """Return one transform as `concat_transforms` does; None if the others differ in kind or settings."""


def concat_transforms(transforms: Sequence[Transform], count: int) -> Transform:
    """Return one transform for concatenated batches of ``count`` images: its draw k * count + r is draw r of transform k."""
    first, *others = transforms
    if not others:
        return first
    if isinstance(first, Concatenable) and (together := first.concat(others, count)):
        return together

    def apply(k: int, images: Tensor, rows: Tensor) -> Tensor:
        return transforms[k](images, rows - k * count)

    return lambda images, rows: apply_by_group(apply, images, rows, rows // count)


def shifted(transform: Transform | None, draws: range) -> Transform | None:
    """Return ``transform`` for indices among ``draws``, a range of all draws."""
    return transform and (lambda images, rows: transform(images, rows + draws.start))


def apply_by_group(apply: Callable[[int, Tensor, Tensor], Tensor], images: Tensor, rows: Tensor, groups: Tensor) -> Tensor:
    """Return ``apply(group, images, rows)`` of the images and rows of each group, in the order of ``images``."""
    result = torch.empty_like(images)
    for group in sorted(set(groups.tolist())):
        indices = (groups == group).nonzero().squeeze(1)
        on_device = indices.to(images.device)
        result = result.index_copy(0, on_device, apply(group, images[on_device], rows[indices]))
    return result


@dataclass(frozen=True)
class Seeded(Registered):
    """Augmentation by any callable that maps images (n, c, h, w) to images of the same shape.

    The global generators are seeded for each class (condensation) or batch (training) and restored afterwards. In condensation the
    callable gets the images of one class at a time; it is exactly Siamese if its draws do not depend on the number of images.

    >>> import torch
    >>> from condensation import Rng, Seeded
    >>> def noisy(images):
    ...     return images + 0.1 * torch.randn_like(images)
    >>> Seeded(noisy).per_image(2, Rng(0))(torch.zeros(2, 1, 8, 8), torch.arange(2)).shape
    torch.Size([2, 1, 8, 8])
    """

    name_field: ClassVar[str | None] = "function"
    function: str | Callable[..., Tensor]
    """The callable, or its name: ``module:name`` or ``path/to/file.py:name``. A class is instantiated once, with `options`."""
    options: dict[str, object] = field(default_factory=dict, hash=False)
    """Keyword arguments of each call, or of the class."""

    @property
    def label(self) -> str:
        """Name in messages and on cards."""
        return qualified_name(self.function)

    def fit(self, images: ImageSet) -> Seeded:
        _ = self._callable  # raises early if it cannot be imported
        return self

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        rngs = [rng.child(label) for label in classes]
        return lambda images, rows: apply_by_group(lambda row, images, _: self._seeded(images, rngs[row]), images, rows, rows)

    def per_image(self, count: int, rng: Rng) -> Transform:
        return lambda images, rows: self._seeded(images, rng)

    @cached_property
    def _callable(self) -> Callable[[Tensor], Tensor]:
        function = import_object(self.function) if isinstance(self.function, str) else self.function
        if not callable(function):
            raise CondensationError(f"Expected {self.label} to be a function of images, got {type(function).__name__}.")
        with user_errors(f"The augmentation {self.label} could not be created"):
            augment = function(**self.options) if isinstance(function, type) else partial(function, **self.options)
        if not callable(augment):
            raise CondensationError(f"Expected instances of {self.label} to be callable with images; they are not.")
        return augment

    def _seeded(self, images: Tensor, rng: Rng) -> Tensor:
        with rng.globally(), user_errors(f"The augmentation {self.label} failed on images {tuple(images.shape)}"):
            result = self._callable(images)
        if not isinstance(result, Tensor) or result.shape != images.shape:
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise CondensationError(f"Expected the augmentation {self.label} to return images {tuple(images.shape)}, got {got}.")
        if images.requires_grad and torch.is_grad_enabled() and not result.requires_grad:
            hint = "Write it with torch operations only. Otherwise use it only for training (evaluation.recipe.augmentation)."
            raise CondensationError(f"No gradient passes through the augmentation {self.label}; learning images requires it.", hint=hint)
        return result.to(images.dtype)
