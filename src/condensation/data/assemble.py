"""Assembly of image sets from the splits of a reader: checks, held-out test split, size, preprocessing."""

import logging
from dataclasses import replace
from typing import Any

import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.dataset import Data, RawData, RawSplit, ReadOptions, single_class_error
from condensation.data.decode.decode import resize_images
from condensation.data.duplicates import find_duplicates
from condensation.data.fit_preprocessing import PreprocessingName, fit_preprocessing
from condensation.data.split import hold_out_test

logger = logging.getLogger(__name__)

MOST_LISTED = 100  # names of skipped images on a card


def assemble(name: str, raw: RawData, preprocessing: PreprocessingName, options: ReadOptions, flip_invariant: bool | None) -> Data:
    """Return both image sets of ``raw``, checked, with preprocessing fitted on the training split."""
    info = DATASETS.get(known_name(name) or "")
    names = _class_names(raw.train, info.class_names if info else None)
    _check_train(raw.train, names)
    train, test, note = raw.train, raw.test, raw.note
    details: dict[str, Any] = {}
    if test is None:
        train, test, note, details["split"] = hold_out_test(train, names)
        note = f"{raw.note} {note}".strip()
    _check_test(test, train, names)
    if options.shape is not None:
        shape = options.shape
        train, test = (replace(split, images=resize_images(split.images, shape, options.fit, split.origin)) for split in (train, test))
    _check_shapes(train, test)
    fitted = fit_preprocessing(preprocessing, train.images, info, name)
    if flip_invariant is None:
        flip_invariant = info.flip_invariant if info else True
    if raw.files and raw.files.skipped:
        images = [{"name": image.name, "why": image.why} for image in raw.files.skipped[:MOST_LISTED]]
        details["skipped"] = {"count": len(raw.files.skipped), "images": images}
    details |= _check_duplicates(train, test, names)
    sets = [ImageSet.of(split.images, split.labels, names, preprocessing=fitted, flip_invariant=flip_invariant) for split in (train, test)]
    return Data(name, sets[0], sets[1], note, details, raw.files, raw.format or "arrays")


def _check_duplicates(train: RawSplit, test: RawSplit, names: tuple[str, ...]) -> dict[str, Any]:
    """Warn about test images that are also training images; return their number for cards."""
    indices = find_duplicates(train.images, test.images).tolist()
    if not indices:
        return {}
    first = test.names[indices[0]] if test.names else f"number {indices[0]}"
    logger.warning(
        f"{len(indices):,} of {len(test.labels):,} test images are also training images, pixel for pixel "
        f"(the first: {first}, of class {names[int(test.labels[indices[0]])]!r}). Test accuracies will be too high."
    )
    return {"in_both": len(indices)}


def _class_names(train: RawSplit, usual: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names from the file, else those of the catalogue if their number matches, else the label numbers."""
    if train.class_names is not None:
        return train.class_names
    _check_counts(train)
    classes = torch.unique(train.labels).tolist()
    count = len(classes)
    if classes != list(range(count)):
        missing = next(label for label, actual in enumerate([*classes, -1]) if label != actual)
        message = f"Class {missing} has no images in {train.origin}; its labels run from {classes[0]} to {classes[-1]}."
        raise CondensationError(message, hint="Number the classes from 0 without gaps.")
    return usual if usual and len(usual) == count else tuple(map(str, range(count)))


def _check_counts(split: RawSplit) -> None:
    if split.images.numel() == 0:
        raise CondensationError(f"{split.origin} has no pixels: its images have the shape {tuple(split.images.shape)}.")
    if len(split.images) != len(split.labels):
        raise CondensationError(f"{split.origin} has {len(split.labels)} labels for {len(split.images)} images.")


def _check_labels(split: RawSplit, names: tuple[str, ...], train_origin: str) -> None:
    _check_counts(split)
    low, high = int(split.labels.min()), int(split.labels.max())
    if low < 0 or high >= len(names):
        label = low if low < 0 else high
        message = f"Expected labels in 0..{len(names) - 1} in {split.origin}, got {label}; the classes are those of {train_origin}."
        raise CondensationError(message, hint="Pass class_names with a name for each label, or drop those images.")


def _check_train(train: RawSplit, names: tuple[str, ...]) -> None:
    _check_labels(train, names, train.origin)
    counts = torch.bincount(train.labels, minlength=len(names)).tolist()
    if len(names) < 2:
        raise single_class_error(names[0], train.origin)
    if 0 in counts:
        message = f"Class {names[counts.index(0)]!r} has no images in {train.origin}."
        raise CondensationError(message, hint="Add images of it, or drop the class.")


def _check_test(test: RawSplit, train: RawSplit, names: tuple[str, ...]) -> None:
    if test.class_names is not None and test.class_names != names:
        first, second = (", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "") for classes in (test.class_names, names))
        raise CondensationError(f"{test.origin} and {train.origin} have different classes: {first} and {second}.")
    _check_labels(test, names, train.origin)


def _check_shapes(train: RawSplit, test: RawSplit) -> None:
    shapes = [tuple(split.images.shape[1:]) for split in (train, test)]
    if shapes[0] != shapes[1]:
        message = f"Training images are {shapes[0]} (channels, height, width), test images {shapes[1]}; expected equal shapes."
        hint = "Set a size, such as size=64, and use the same number of channels for both."
        raise CondensationError(message, hint=hint, setting="data.size")
