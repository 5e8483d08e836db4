"""Differentiable augmentation as adversarial training has it (DiffAugment; Zhao et al., 2020): all operations, image by image."""

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
    """Every one of ``operations``, in this order, each with parameters of its own from the ranges of `DSA`.

    The ranges are those of the paper; ``crop`` is what it calls translation. A shift is up to the nearest whole pixel to an eighth of
    the side, where the published code rounds down. An empty tuple leaves images as they are.
    """

    name: ClassVar[str] = "diffaugment"
    operations: tuple[str, ...] = ("crop", "cutout")

    def __post_init__(self) -> None:
        if self.operations:
            DSA(operations=self.operations)  # knows which there are
        if len(set(self.operations)) < len(self.operations):
            raise CondensationError(f"DiffAugment's operations are {', '.join(self.operations)}; name each at most once.")

    def fit(self, images: ImageSet) -> DiffAugment:
        """Without flips, where a mirror image means something else."""
        kept = tuple(name for name in self.operations if images.flip_invariant or name != "flip")
        return DiffAugment(kept)

    def per_class(self, classes: Sequence[int], rng: Rng) -> Transform:
        return self._transform([rng.child(label).generator() for label in classes])

    def per_image(self, count: int, rng: Rng) -> Transform:
        stream = rng.generator()
        return self._transform([stream] * count)

    def _transform(self, streams: Sequence[np.random.Generator]) -> Transform:
        """A row for each of ``streams``, with numbers for all operations."""
        uniforms = np.stack([stream.random((len(self.operations), UNIFORMS), dtype=np.float32) for stream in streams])
        return partial(self._apply, torch.from_numpy(uniforms))

    def _apply(self, uniforms: Tensor, images: Tensor, rows: Tensor) -> Tensor:
        of_images = uniforms[rows.cpu()].to(images)
        for place, name in enumerate(self.operations):
            images = OPERATIONS[name](RANGES, images, of_images[:, place])
        return images
