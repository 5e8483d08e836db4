"""Class names of both splits, matched by name."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.text import listed
from condensation.data.dataset import RawSplit, single_class_error

Names = tuple[str, ...]
LEAVE_OUT = "leave out such classes: data.drop_empty=true (in Python: drop_empty=True)."


def match_classes(
    train: RawSplit, test: RawSplit | None, *, usual: Names | None = None, given: Names | None = None, drop_empty: bool = False
) -> tuple[RawSplit, RawSplit | None, str]:
    """Return both splits with the classes of ``train``, and a note on classes that were left out or have no images.

    Classes of ``train`` keep their order. Labels of ``test`` are matched by name if it has class names, else by number. ``given`` are the
    user's names of the training labels, some of which may belong to images elsewhere, such as those of another task; without names, they
    get the ``usual`` ones if the number matches. ``drop_empty`` leaves out classes without a training image instead of raising an error.
    """
    for split in filter(None, (train, test)):
        _check_split(split)
    if drop_empty and given is None and not (usual and len(usual) == int(train.labels.max()) + 1):
        train, test = _named_by_number(train), test and _named_by_number(test)
    own, labels = _own_names(train, given, usual), train.labels
    names = _renamed(own, given)
    _check_range(train, names, train)
    counts = torch.bincount(labels, minlength=len(names)).tolist()
    empty = [label for label, count in enumerate(counts) if count == 0]
    if len(names) < 2:
        raise single_class_error(names[0], train.origin)
    if empty and given is None and not drop_empty:
        message = f"Class {names[empty[0]]!r} has no images in {train.origin}."
        raise CondensationError(message, hint=f"Add images of it, or {LEAVE_OUT}", setting="data.drop_empty")
    kept = tuple(name for name, count in zip(names, counts, strict=True) if count)
    if len(kept) < 2:
        raise single_class_error(kept[0], train.origin)
    renumbered = torch.cumsum(torch.tensor(counts) > 0, 0) - 1
    if not drop_empty:
        kept, renumbered = names, torch.arange(len(names))
    known = replace(train, labels=renumbered[labels], class_names=kept)
    if test is not None:
        test_labels = _labels_among(test, own, names, train)
        if missing := sorted({names[label] for label in torch.unique(test_labels).tolist() if counts[label] == 0}):
            raise unknown_class_error(test.origin, missing[0], train.origin)
        test = replace(test, labels=renumbered[test_labels], class_names=kept)
    absent = [names[label] for label in empty]
    return known, test, left_out_note(absent) if drop_empty else absent_note(absent)


def normalized(name: str) -> str:
    """Return ``name`` in the composed form of Unicode (NFC), so that names that look the same are equal."""
    return unicodedata.normalize("NFC", name)


def normalized_names(names: Names, origin: str) -> Names:
    """Return ``names`` in NFC. Raise CondensationError if two different names become equal."""
    result = tuple(map(normalized, names))
    if len(set(result)) < len(set(names)):
        first = next(name for name in result if len({other for other in names if normalized(other) == name}) > 1)
        raise CondensationError(f"{origin} has the class {first!r} in two forms of Unicode.", hint="Merge them, or rename one.")
    return result


def left_out_note(names: Sequence[str]) -> str:
    """Return the sentence for the user on classes without images that were left out."""
    return f"Left out classes without training images ({len(names):,}): {listed(names)}." if names else ""


def absent_note(names: Sequence[str]) -> str:
    """Return the sentence for the user on classes that they named and that have no images."""
    return f"There are no images of {listed(names)}; networks have an output for each class." if names else ""


def _check_split(split: RawSplit) -> None:
    """Raise CondensationError unless ``split`` has images with pixels, and a label from 0 for each."""
    if split.images.numel() == 0:
        raise CondensationError(f"{split.origin} has no pixels: its images have the shape {tuple(split.images.shape)}.")
    if len(split.images) != len(split.labels):
        raise CondensationError(f"{split.origin} has {len(split.labels)} labels for {len(split.images)} images.")
    if count := int((split.labels < 0).sum()):
        low, high = int(split.labels.min()), int(split.labels.max())
        message = f"{count:,} of {len(split.labels):,} labels in {split.origin} are negative; the labels run from {low} to {high}."
        raise CondensationError(message, hint="Number the classes from 0, and leave out images without a label.")


def _own_names(train: RawSplit, given: Names | None, usual: Names | None) -> Names:
    """Return names for the labels of ``train``: those of the file, the user's, the usual ones, or numbers."""
    if train.class_names is not None:
        return normalized_names(train.class_names, train.origin)
    if given is not None:
        return normalized_names(given, "class_names")
    if usual and len(usual) == int(train.labels.max()) + 1:
        return usual
    classes = torch.unique(train.labels).tolist()
    if missing := [place for place, label in enumerate(classes) if label != place]:
        message = f"Class {missing[0]} has no images in {train.origin}; its labels run from {classes[0]} to {classes[-1]}."
        hint = f"Number the classes from 0 without gaps, name all of them (in Python: class_names=[...]), or {LEAVE_OUT}"
        raise CondensationError(message, hint=hint, setting="data.drop_empty")
    return tuple(map(str, classes))


def _named_by_number(split: RawSplit) -> RawSplit:
    """Return ``split`` with its labels as class names, unless it has names."""
    if split.class_names is not None:
        return split
    classes, labels = torch.unique(split.labels, return_inverse=True)
    return replace(split, labels=labels, class_names=tuple(map(str, classes.tolist())))


def _renamed(own: Names, given: Names | None) -> Names:
    names = own if given is None else normalized_names(given, "class_names")
    if names != own and sorted(names) == sorted(own):
        message = f"class_names has the names of the data in another order; expected {listed(own)}."
        raise CondensationError(message, hint="Leave out class_names, or give them in the order of the labels.")
    return names


def _labels_among(test: RawSplit, own: Names, names: Names, train: RawSplit) -> Tensor:
    """Return the labels of ``test`` as numbers of the classes ``own`` of ``train``, which are shown as ``names``."""
    test_names = own if test.class_names is None else normalized_names(test.class_names, test.origin)
    if test_names == own:
        _check_range(test, names, train)
        return test.labels
    _check_range(test, test_names, test)
    indices = {name: index for index, name in enumerate(own)}
    if len(indices) < len(own):
        raise CondensationError(f"{train.origin} and {test.origin} have different classes, and several have the same name.")
    target = torch.full((len(test_names),), -1)
    for label in torch.unique(test.labels).tolist():
        if test_names[label] not in indices:
            raise unknown_class_error(test.origin, test_names[label], train.origin)
        target[label] = indices[test_names[label]]
    return target[test.labels]


def unknown_class_error(test: str, name: str, train: str) -> CondensationError:
    """Return the error for a class of the test split at ``test`` that the training split at ``train`` lacks."""
    message = f"{test} has the class {name!r}, which has no images in {train}."
    return CondensationError(message, hint="Add training images of it, or drop its test images.")


def _check_range(split: RawSplit, names: Names, train: RawSplit) -> None:
    if (high := int(split.labels.max())) >= len(names):
        message = f"Expected labels in 0..{len(names) - 1} in {split.origin}, got {high}; the classes are those of {train.origin}."
        raise CondensationError(message, hint="Pass class_names with a name for each label, or drop those images.")
