"""Labels as a person gives them: numbers, or names, which are kept."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.data.arrays import as_labels
from condensation.data.decode.list_files import natural

WHOLE = re.compile(r"[+-]?\d+")


def classes_of(labels: Sequence[str]) -> tuple[str, ...]:
    """The different ``labels`` in the order in which classes are numbered: as numbers if all are, else as names."""
    different = {_plain(label) for label in labels}
    if all(WHOLE.fullmatch(label) for label in different):
        return tuple(sorted(different, key=int))
    return tuple(sorted(different, key=natural))


def numbered(labels: Sequence[str], class_names: Sequence[str], origin: str, training: str) -> list[int]:
    """The place in ``class_names`` of each of ``labels``.

    Raises:
        CondensationError: for a label that is not among them.
    """
    places = {name: place for place, name in enumerate(class_names)}
    try:
        return [places[label] if label in places else places[_plain(label)] for label in labels]
    except KeyError as missing:
        raise CondensationError(f"{origin} has a class {missing.args[0]!r}, which {training} doesn't have.") from None


def as_numbers(
    labels: npt.ArrayLike | Tensor, test_labels: npt.ArrayLike | Tensor | None, class_names: tuple[str, ...] | None
) -> tuple[Tensor, Tensor | None, tuple[str, ...] | None]:
    """Both parts' labels as (n,) int64, and the names of the classes where there are any.

    Raises:
        CondensationError: if labels are neither whole numbers nor texts, or a text is not the name of a class.
    """
    if not _are_texts(labels):
        test = None if test_labels is None else as_labels(test_labels, "test")
        return as_labels(labels, "train"), test, class_names
    train_texts = [str(label) for label in np.asarray(labels).reshape(-1)]
    test_texts = None if test_labels is None else [str(label) for label in np.asarray(test_labels).reshape(-1)]
    names = class_names or classes_of(train_texts)
    test = None if test_texts is None else torch.tensor(numbered(test_texts, names, "test", "train"))
    return torch.tensor(numbered(train_texts, names, "train", "class_names")), test, names


def _are_texts(labels: npt.ArrayLike | Tensor) -> bool:
    if isinstance(labels, Tensor):
        return False
    array = np.asarray(labels)
    return array.dtype.kind == "U" or (array.dtype.kind == "O" and array.size > 0 and all(isinstance(one, str) for one in array.flat))


def _plain(label: str) -> str:
    """``label`` without space around it; of whole numbers, ``07`` and ``7`` are one class."""
    label = label.strip()
    return str(int(label)) if WHOLE.fullmatch(label) else label
