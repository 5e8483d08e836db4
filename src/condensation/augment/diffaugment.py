"""DiffAugment (Zhao et al., 2020): all operations on each image, as in adversarial training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from condensation.augment.base import Transform
from condensation.augment.dsa import DSA, OPERATIONS, UNIFORMS
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import Registered
from condensation.core.rng import Rng

RANGES = DSA()


@dataclass(frozen=True)
class DiffAugment(Registered):
    """Augmentation by several operations of `DSA` in sequence, each with its own parameters.

    The ranges are the paper's, which calls ``crop`` translation; the largest shift is rounded to the nearest pixel, not down.
    """

    name: ClassVar[str] = "diffaugment"
    operations: tuple[str, ...] = ("crop", "cutout")
    """Names of operations of `DSA`, in this order, each at most once; empty for no augmentation."""

    def __post_init__(self) -> None:
        if self.operations:
            DSA(operations=self.operations)  # raises for unknown names
        if len(set(self.operations)) < len(self.operations):
            raise CondensationError(f"Expected each operation of DiffAugment at most once, got {', '.join(self.operations)}.")

    def fit(self, images: ImageSet) -> DiffAugment:
        """Return this augmentation, without flips if mirroring may change the class of an image."""
        return DiffAugment(tuple(name for name in self.operations if images.flip_invariant or name != "flip"))

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        return self._transform([rng.child(label).generator() for label in classes])

    def per_image(self, count: int, rng: Rng) -> Transform:
        stream = rng.generator()
        return self._transform([stream] * count)

    def _transform(self, streams: Sequence[np.random.Generator]) -> Transform:
        """Return a transform with one draw per stream, of parameters for all operations."""
        uniforms = np.stack([stream.random((len(self.operations), UNIFORMS), dtype=np.float32) for stream in streams])
        return partial(self._apply, torch.from_numpy(uniforms))

    def _apply(self, uniforms: Tensor, images: Tensor, rows: Tensor) -> Tensor:
        per_image = uniforms[rows.cpu()].to(images)
        for index, name in enumerate(self.operations):
            images = OPERATIONS[name](RANGES, images, per_image[:, index])
        return images
