"""Training sets that are larger than what an epoch takes from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.core.soft_labels import SoftLabels


@dataclass(frozen=True, eq=False)
class EpochWindow:
    """Training set that yields the next ``count`` images in each epoch, in random order; none repeats until all were used."""

    images: ImageSet
    count: int  # images per epoch
    rng: Rng

    def __len__(self) -> int:
        return self.count

    @property
    def soft_labels(self) -> SoftLabels | None:
        """Soft labels of all images, if there are any."""
        return self.images.soft_labels

    @property
    def seen(self) -> int:
        """Number of images that a network sees in an epoch."""
        return self.count

    def decoded(self) -> EpochWindow:
        """Return this window over the images that a network sees."""
        return self if self.images.form is None else replace(self, images=self.images.decoded())

    def for_epoch(self, epoch: int) -> ImageSet:
        """Return the images of an epoch, counted from 0."""
        size, first = len(self.images), epoch * self.count
        passes = range(first // size, (first + self.count - 1) // size + 1)
        order = torch.cat([self.rng.child("pass", number).permutation(size) for number in passes])
        start = first - passes[0] * size
        return self.images.take(order[start : start + self.count].sort().values.to(self.images.device))
