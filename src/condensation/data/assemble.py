"""From the parts that a reader gives to image sets: checks, the split, the size, the preprocessing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.dataset import Data, Part, Parts, ReadOptions, Skipped, only_one_class
from condensation.data.decode.decode import resized
from condensation.data.duplicates import in_both
from condensation.data.fit_preprocessing import PreprocessingName, fit_preprocessing
from condensation.data.split import set_aside

logger = logging.getLogger(__name__)

MOST_LISTED = 100  # images that were skipped, by name


def assemble(name: str, parts: Parts, preprocessing: PreprocessingName, how: ReadOptions, flip_invariant: bool | None) -> Data:
    """Both image sets of ``parts``, checked, with the preprocessing fitted on the training part."""
    info = DATASETS.get(known_name(name) or "")
    names = _class_names(parts.train, info.class_names if info else None)
    _check_train(parts.train, names)
    train, test, note = parts.train, parts.test, parts.note
    details: dict[str, Any] = {}
    if test is None:
        train, test, note, details["split"] = set_aside(train, names)
        note = f"{parts.note} {note}".strip()
    _check_test(test, train, names)
    if how.shape is not None:
        train, test = (replace(part, images=resized(part.images, how.shape, how.fit, part.origin)) for part in (train, test))
    _check_shapes(train, test)
    fitted = fit_preprocessing(preprocessing, train.images, info, name)
    if flip_invariant is None:
        flip_invariant = info.flip_invariant if info else True
    if parts.found and parts.found.skipped:
        details["skipped"] = _about(parts.found.skipped)
    details |= _check_overlap(train, test, names)
    sets = [ImageSet.of(part.images, part.labels, names, preprocessing=fitted, flip_invariant=flip_invariant) for part in (train, test)]
    return Data(name, sets[0], sets[1], note, details, parts.found, parts.format or "arrays")


def _about(skipped: tuple[Skipped, ...]) -> dict[str, Any]:
    """What a card says of them: how many, and which, but for a long tail."""
    return {"count": len(skipped), "images": [{"name": one.name, "why": one.why} for one in skipped[:MOST_LISTED]]}


def _check_overlap(train: Part, test: Part, names: tuple[str, ...]) -> dict[str, Any]:
    """Warn of test images that are training images too, and say for a card how many there are."""
    places = in_both(train.images, test.images).tolist()
    if not places:
        return {}
    first = test.names[places[0]] if test.names else f"number {places[0]}"
    of_class = names[int(test.labels[places[0]])]
    are = "is, pixel for pixel, a training image too (" if len(places) == 1 else "are, pixel for pixel, training images too (the first: "
    logger.warning(
        f"{len(places):,} of {len(test.labels):,} test images {are}{first}, of class {of_class!r}), so test accuracies will be too high."
    )
    return {"in_both": len(places)}


def _class_names(train: Part, usual: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names in the file, or those usual for the data set if there are as many, or numbers."""
    if train.class_names is not None:
        return train.class_names
    _check_counts(train)
    classes = torch.unique(train.labels)
    low, high = int(classes[0]), int(classes[-1])
    if low != 0 or high != len(classes) - 1:
        missing = next(label for label, found in enumerate([*classes.tolist(), -1]) if label != found)
        raise CondensationError(
            f"Class {missing} has no images in {train.origin}, where labels run from {low} to {high}.\n"
            "Number the classes from 0, without gaps."
        )
    return usual if usual and len(usual) == high + 1 else tuple(str(label) for label in range(high + 1))


def _check_counts(part: Part) -> None:
    if part.images.numel() == 0:
        raise CondensationError(f"There is no pixel in {part.origin}: its images have the shape {tuple(part.images.shape)}.")
    if len(part.images) != len(part.labels):
        raise CondensationError(f"Labels don't match images in {part.origin}: {len(part.labels)} labels for {len(part.images)} images.")


def _check_range(part: Part, names: tuple[str, ...]) -> None:
    _check_counts(part)
    low, high = int(part.labels.min()), int(part.labels.max())
    if low < 0 or high >= len(names):
        raise CondensationError(
            f"Labels in {part.origin} run from {low} to {high}, but there are {len(names)} classes: they must lie in 0 to {len(names) - 1}."
        )


def _check_train(train: Part, names: tuple[str, ...]) -> None:
    _check_range(train, names)
    counts = torch.bincount(train.labels, minlength=len(names)).tolist()
    if len(names) < 2:
        raise only_one_class(names[0], train.origin)
    if 0 in counts:
        raise CondensationError(
            f"Class {names[counts.index(0)]!r} has no images in {train.origin}.\nAdd images of it, or leave it out of the classes."
        )


def _check_test(test: Part, train: Part, names: tuple[str, ...]) -> None:
    _check_counts(test)
    if test.class_names is not None and test.class_names != names:
        raise CondensationError(
            f"The classes of {test.origin} are not those of {train.origin}: {_some(test.class_names)} and {_some(names)}."
        )
    if int(test.labels.max()) >= len(names):
        raise CondensationError(
            f"{test.origin} has a class {int(test.labels.max())}, which {train.origin} doesn't have: its classes are 0 to {len(names) - 1}."
        )
    _check_range(test, names)


def _check_shapes(train: Part, test: Part) -> None:
    if train.images.shape[1:] != test.images.shape[1:]:
        raise CondensationError(
            f"Training images are {tuple(train.images.shape[1:])} (channels, height, width), test images {tuple(test.images.shape[1:])}.\n"
            "They must be alike; a size makes height and width so."
        )


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
