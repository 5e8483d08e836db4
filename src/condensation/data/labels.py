"""Conversion of labels to integers, from integers or class names."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.data.arrays import as_labels
from condensation.data.decode.list_files import natural_key

INTEGER = re.compile(r"[+-]?\d+")


def infer_class_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct ``labels``: in numeric order if all are integers, else in natural order."""
    distinct = {_normalized(label) for label in labels}
    if all(INTEGER.fullmatch(label) for label in distinct):
        return tuple(sorted(distinct, key=int))
    return tuple(sorted(distinct, key=natural_key))


def class_indices(labels: Sequence[str], class_names: Sequence[str], origin: str, known_from: str) -> list[int]:
    """Return the index in ``class_names`` of each of ``labels``; raise CondensationError if ``known_from`` lacks a label of ``origin``."""
    indices = {name: index for index, name in enumerate(class_names)}
    try:
        return [indices[label] if label in indices else indices[_normalized(label)] for label in labels]
    except KeyError as missing:
        message = f"{origin} has the class {missing.args[0]!r}, which is not in {known_from}."
        raise CondensationError(message, hint="Add the class there, or drop its images.") from None


def encode_labels(
    labels: npt.ArrayLike | Tensor, test_labels: npt.ArrayLike | Tensor | None, class_names: tuple[str, ...] | None
) -> tuple[Tensor, Tensor | None, tuple[str, ...] | None]:
    """Return the labels of both splits as (n,) int64, and the class names if there are any.

    Raise CondensationError if labels are neither integers nor strings, or a string is not a class name.
    """
    if not _are_strings(labels):
        test = None if test_labels is None else as_labels(test_labels, "test")
        return as_labels(labels, "train"), test, class_names
    train_names = [str(label) for label in np.asarray(labels).reshape(-1)]
    names = class_names or infer_class_names(train_names)
    test = None
    if test_labels is not None:
        test_names = [str(label) for label in np.asarray(test_labels).reshape(-1)]
        test = torch.tensor(class_indices(test_names, names, "test", "train"))
    return torch.tensor(class_indices(train_names, names, "train", "class_names")), test, names


def _are_strings(labels: npt.ArrayLike | Tensor) -> bool:
    if isinstance(labels, Tensor):
        return False
    try:
        array = np.asarray(labels)
    except ValueError:  # nested lists of several lengths
        return False
    return array.dtype.kind == "U" or (array.dtype.kind == "O" and array.size > 0 and all(isinstance(label, str) for label in array.flat))


def _normalized(label: str) -> str:
    """Return ``label`` without surrounding spaces; ``07`` and ``7`` are the same class."""
    label = label.strip()
    return str(int(label)) if INTEGER.fullmatch(label) else label
