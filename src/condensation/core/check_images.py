"""Checks of images and labels that a user passes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from condensation.core.errors import CondensationError, kind_of


def check_images(images: Tensor, labels: Tensor, class_names: Sequence[str] | None) -> None:
    """Raise CondensationError unless these are tensors (n, c, h, w) and (n,) with n above 0, labels are integers, and names are a list."""
    kinds: tuple[tuple[Any, str], ...] = ((images, "images (n, channels, height, width)"), (labels, "labels (n,)"))
    for value, kind in kinds:
        if not isinstance(value, Tensor):
            hint = "Convert it with torch.from_numpy, or load arrays with from_arrays(images, labels)."
            raise CondensationError(f"Expected a tensor of {kind}, got {kind_of(value)}.", hint=hint)
    if images.ndim != 4:
        raise CondensationError(f"Expected images of shape (n, channels, height, width), got {tuple(images.shape)}.")
    if labels.ndim != 1 or len(labels) != len(images):
        raise CondensationError(f"Expected one label for each of {len(images)} images, got labels of shape {tuple(labels.shape)}.")
    if len(images) == 0:
        raise CondensationError("Expected at least one image, got none.")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise CondensationError(f"Expected labels to be integers from 0, got {labels.dtype}.")
    if isinstance(class_names, str):
        raise CondensationError(f"Expected a list of class names, got the string {class_names!r}.")


def require_same_kind(first: Any, second: Any) -> None:
    """Raise CondensationError, which tells what to do, unless two image sets have equal shapes, pixel types, classes and preprocessing."""
    kinds = [f"{images.shape} {images.images.dtype}" for images in (first, second)]
    if kinds[0] != kinds[1]:
        raise CondensationError(f"Expected images of {kinds[0]} in both sets, got {kinds[1]}.")
    if first.class_names != second.class_names:
        hint = "Name all classes in the same order for both, for example from_arrays(..., class_names=names)."
        raise CondensationError("Expected the same classes in both sets.", hint=hint)
    if first.preprocessing != second.preprocessing:
        hint = "Load the second data with the preprocessing of the first: preprocessing=first.train.preprocessing."
        raise CondensationError("Expected the same preprocessing in both sets.", hint=hint)
