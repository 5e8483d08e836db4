"""Image column and label column of data sets of the library datasets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from condensation.core.errors import CondensationError

LABELS = ("label", "labels", "class", "target", "category", "fine_label")
FILES = BINARY, STRUCT = ("binary", "struct with bytes")  # columns of image files that were not saved with the type Image


@dataclass(frozen=True)
class HubColumns:
    """Names of the columns, and the class names if the label column has them."""

    image: str
    label: str
    class_names: tuple[str, ...] | None


def find_columns(dataset: Any, wanted: Sequence[str], name: str) -> HubColumns:
    """Return the columns ``wanted``, by default those with image and label types."""
    features = dataset.features or {}
    kinds = {column: _kind(feature) for column, feature in features.items()}
    listing = ", ".join(f"{column} ({kind})" for column, kind in kinds.items())
    images = [column for column, kind in kinds.items() if kind == "Image"] or [column for column, kind in kinds.items() if kind in FILES]
    labels = [column for column, kind in kinds.items() if kind == "ClassLabel"] or [column for column in LABELS if column in kinds]
    if wanted:
        for column in wanted:
            if column not in kinds:
                raise CondensationError(f"{name} has no column {column!r}; it has {listing}.", setting="data.columns")
        if kinds[wanted[0]] not in ("Image", *FILES):
            message = f"The column {wanted[0]!r} of {name} has type {kinds[wanted[0]]}, expected Image or binary."
            raise CondensationError(message, setting="data.columns")
        images, labels = [wanted[0]], list(wanted[1:])
    if len(labels) > 1 and not wanted:
        labels = [column for column in LABELS[:2] if column in labels]  # among several, only these names are unambiguous
    if len(images) != 1 or len(labels) != 1:
        message = f"{name} has no unambiguous image column and label column; it has {listing}."
        hint = "Set data.columns=IMAGE,LABEL (in Python: columns=('IMAGE', 'LABEL'))."
        raise CondensationError(message, hint=hint, setting="data.columns")
    names = getattr(features[labels[0]], "names", None)
    return HubColumns(images[0], labels[0], tuple(names) if names else None)


def _kind(feature: Any) -> str:
    """Return the type of a column for messages; image files without the type Image are `FILES`."""
    if isinstance(feature, Mapping) and "bytes" in feature:
        return STRUCT
    return BINARY if getattr(feature, "dtype", None) in ("binary", "large_binary") else type(feature).__name__


def labels_of(dataset: Any, columns: HubColumns, name: str) -> list[str]:
    """Return the labels as text. Raise CondensationError for one that is neither an integer nor a string."""
    labels = list(dataset.with_format(None)[columns.label])
    for row, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise CondensationError(f"Row {row} of {name} has the label {label!r}, expected an integer or a string.")
    return [str(label) for label in labels]


def has_labels(split: Any, columns: HubColumns) -> bool:
    """Return whether ``split`` has a label other than -1 and None, which mark images without one."""
    if columns.label not in split.column_names:
        return False
    return any(label not in (-1, None, "") for label in split.with_format(None)[columns.label])
