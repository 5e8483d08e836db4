"""Which preprocessing a data set gets, fitted on its training images a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError, unknown
from condensation.core.preprocessing import Identity, Preprocessing, Standardize, Zca
from condensation.data.catalogue import DATASETS, DatasetInfo

PreprocessingName = Literal["standardize", "published", "zca", "none"]

ZCA_IMAGES = 50_000  # more would change the covariance little
BATCH_VALUES = 1 << 22  # floats held at once while fitting


@dataclass(frozen=True, eq=False)
class Batches:
    """Stored images as floats in [0, 1], a batch at a time, as often as wanted: never all of them at once."""

    images: Tensor  # (n, c, h, w) uint8

    def __iter__(self) -> Iterator[Tensor]:
        count = max(1, BATCH_VALUES // self.images[0].numel())
        return (batch.float() / 255 for batch in torch.split(self.images, count))


def fit_preprocessing(kind: PreprocessingName, images: Tensor, info: DatasetInfo | None, name: str) -> Preprocessing:
    """The preprocessing called ``kind`` for training ``images`` (n, c, h, w) uint8.

    Args:
        kind: ``standardize`` takes each channel's mean and deviation from the images; ``published`` takes those that the
            papers use; ``zca`` whitens colour images (regularised, as KIP does) and standardises grey ones; ``none``
            leaves pixels in [0, 1].
        images: What is fitted on.
        info: What is known of the data set, if anything is.
        name: What errors call the data set.
    """
    if kind not in FITS:
        raise unknown("preprocessing", kind, FITS)
    return FITS[kind](images, info, name)


def value_counts(images: Tensor) -> Tensor:
    """How often each channel of ``images`` (n, c, h, w) uint8 has each value: (c, 256). Faster than floats, and as exact."""
    counts = torch.zeros((images.shape[1], 256), dtype=torch.int64)
    for batch in torch.split(images, max(1, BATCH_VALUES // images[0].numel())):
        for of_channel, values in zip(counts, batch.unbind(1), strict=True):
            of_channel += torch.bincount(values.reshape(-1), minlength=256)
    return counts


def _standardize(images: Tensor, info: DatasetInfo | None, name: str) -> Preprocessing:
    return Standardize.of_counts(value_counts(images))


def _published(images: Tensor, info: DatasetInfo | None, name: str) -> Preprocessing:
    if info is None or info.published is None:
        having = ", ".join(key for key, known in DATASETS.items() if known.published)
        raise CondensationError(f"No constants are published for {name!r}; there are for {having}.\nUse the preprocessing 'standardize'.")
    mean, std = info.published
    if len(mean) != images.shape[1]:
        raise CondensationError(f"The constants published for {name!r} are for {len(mean)} channels; these images have {images.shape[1]}.")
    return Standardize(torch.tensor(mean), torch.tensor(std))


def _zca(images: Tensor, info: DatasetInfo | None, name: str) -> Preprocessing:
    if images.shape[1] == 1:
        return _standardize(images, info, name)
    # Seven float64 matrices are alive while the covariance is taken apart.
    memory.require(7 * 8 * images[0].numel() ** 2, f"ZCA of {name}", "Use the preprocessing 'standardize', or a smaller size.")
    every = -(-len(images) // ZCA_IMAGES)  # evenly spaced, so that a sorted set keeps all its classes
    return Zca.fit(Batches(images[::every]))


def _none(images: Tensor, info: DatasetInfo | None, name: str) -> Preprocessing:
    return Identity()


FITS: dict[str, Callable[[Tensor, DatasetInfo | None, str], Preprocessing]] = {
    "standardize": _standardize,
    "published": _published,
    "zca": _zca,
    "none": _none,
}
