"""Preprocessing of a data set, fitted on its training images in batches."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError, unknown
from condensation.core.preprocessing import Identity, Preprocessing, Standardize, Zca
from condensation.core.stored_images import StoredImages
from condensation.data.catalogue import DATASETS, DatasetInfo

PreprocessingName = Literal["standardize", "published", "zca", "centered", "none"]

ZCA_IMAGES = 50_000  # more images hardly change the covariance
BATCH_VALUES = 1 << 22  # floats in memory at once while fitting


@dataclass(frozen=True, eq=False)
class FloatBatches:
    """Stored images as float batches in [0, 1] that can be iterated repeatedly."""

    images: Tensor  # (n, c, h, w) uint8

    def __iter__(self) -> Iterator[Tensor]:
        return (batch.float() / 255 for batch in _batches(self.images))


def fit_preprocessing(kind: PreprocessingName | Preprocessing, images: Tensor, info: DatasetInfo | None, name: str) -> Preprocessing:
    """Return the preprocessing ``kind`` fitted on training ``images`` (n, c, h, w) uint8 of the data set ``name``.

    ``standardize`` uses mean and standard deviation per channel; ``published`` the constants of the papers in ``info``; ``zca`` whitens
    colour images (regularized as in KIP; grey images are standardized); ``centered`` maps [0, 1] to [-1, 1] and ``none`` keeps
    it, whatever the images are; a fitted preprocessing is used as it is. Raise CondensationError if ``kind`` is
    unknown or no constants are published, and NotEnoughMemory if the matrices of ``zca`` do not fit.
    """
    if isinstance(kind, Preprocessing):
        return _fitted_elsewhere(kind, images)
    match kind:
        case "none":
            return Identity()
        case "centered":
            return Standardize.centered(images.shape[1])
        case "published":
            return _published(images.shape[1], info, name)
        case "zca" if images.shape[1] == 3:
            # The eigendecomposition of the covariance holds seven float64 matrices.
            advice = 'Set preprocessing="standardize", or a smaller size (size=...).'
            memory.require(7 * 8 * images[0].numel() ** 2, f"ZCA of {name}", advice)
            step = -(-len(images) // ZCA_IMAGES)  # evenly spaced, so that a sorted set keeps all classes
            return Zca.fit(FloatBatches(images[::step]))
        case "standardize" | "zca":
            return Standardize.of_counts(value_counts(images))
    raise unknown("preprocessing", kind, get_args(PreprocessingName), setting="data.preprocessing")


def _fitted_elsewhere(preprocessing: Preprocessing, images: Tensor) -> Preprocessing:
    """Return ``preprocessing`` of other data. Raise CondensationError if it is for images of another shape."""
    with suppress(RuntimeError):
        if preprocessing(images[:1].float() / 255).shape == images[:1].shape:
            return preprocessing
    message = f"The preprocessing is for other images than these of {tuple(images.shape[1:])} (channels, height, width)."
    raise CondensationError(message, hint='Set preprocessing="standardize".', setting="data.preprocessing")


def value_counts(images: Tensor) -> Tensor:
    """Return the histogram of each channel of ``images`` (n, c, h, w) uint8: (c, 256). This is faster than sums of floats, and exact."""
    if isinstance(images, StoredImages) and images.value_counts is not None:
        return images.value_counts
    histogram = torch.zeros((images.shape[1], 256), dtype=torch.int64)
    for batch in _batches(images):
        for counts, values in zip(histogram, batch.unbind(1), strict=True):
            counts += torch.bincount(values.reshape(-1), minlength=256)
    return histogram


def _batches(images: Tensor) -> Iterator[Tensor]:
    count = max(1, BATCH_VALUES // images.shape[1:].numel())
    return (images[first : first + count] for first in range(0, len(images), count))


def _published(channels: int, info: DatasetInfo | None, name: str) -> Preprocessing:
    if info is None or info.published is None:
        known = ", ".join(key for key, entry in DATASETS.items() if entry.published)
        problem = f"No constants are published for {name!r}; they are for {known}."
    elif len(info.published[0]) != channels:
        problem = f"The constants published for {name!r} have {len(info.published[0])} channels; the images have {channels}."
    else:
        return Standardize(*map(torch.tensor, info.published))
    raise CondensationError(problem, hint='Set preprocessing="standardize".', setting="data.preprocessing")
