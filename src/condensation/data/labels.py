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
from condensation.data.match_classes import normalized

INTEGER = re.compile(r"[+-]?\d{1,18}")  # longer ones, which may not fit in 64 bits, are text


def infer_class_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct ``labels``: in numeric order if all are integers, else in natural order."""
    distinct = {_normalized(label): label.strip() for label in labels}
    if all(INTEGER.fullmatch(label) for label in distinct):
        return tuple(sorted(distinct, key=int))
    return tuple(sorted(distinct, key=lambda name: natural_key(distinct[name])))


def class_indices(labels: Sequence[str], class_names: Sequence[str], origin: str, known_from: str) -> list[int]:
    """Return the index in ``class_names`` of each of ``labels``; raise CondensationError if ``known_from`` lacks a label of ``origin``."""
    indices = {normalized(name): index for index, name in enumerate(class_names)}
    try:
        return [indices[label] if label in indices else indices[_normalized(label)] for label in map(normalized, labels)]
    except KeyError as missing:
        message = f"{origin} has the class {missing.args[0]!r}, which is not in {known_from}."
        raise CondensationError(message, hint="Add the class there, or drop its images.") from None


def encode_labels(
    labels: npt.ArrayLike | Tensor, origin: str, class_names: tuple[str, ...] | None, as_text: bool = False
) -> tuple[Tensor, tuple[str, ...] | None]:
    """Return ``labels`` as (n,) int64, and class names if they are strings or ``as_text``; strings are looked up in ``class_names``."""
    if not (as_text or are_strings(labels)):
        return as_labels(labels, origin), None
    texts = [str(label) for label in np.asarray(labels).reshape(-1)]
    names = class_names or infer_class_names(texts)
    return torch.tensor(class_indices(texts, names, origin, "class_names")), names


def are_strings(labels: npt.ArrayLike | Tensor) -> bool:
    """Return whether ``labels`` are strings."""
    if isinstance(labels, Tensor):
        return False
    try:
        array = np.asarray(labels)
    except ValueError:  # nested lists of several lengths
        return False
    return array.dtype.kind == "U" or (array.dtype.kind == "O" and array.size > 0 and all(isinstance(label, str) for label in array.flat))


def _normalized(label: str) -> str:
    """Return ``label`` without surrounding spaces, in NFC; ``07`` and ``7`` are the same class."""
    label = normalized(label.strip())
    return str(int(label)) if INTEGER.fullmatch(label) else label
