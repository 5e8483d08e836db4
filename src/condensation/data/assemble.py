"""From the parts that a reader gives to image sets: checks, the split, the size, the preprocessing."""

from __future__ import annotations

from dataclasses import replace

import torch

from condensation.data.catalogue import DATASETS, known_name
from condensation.data.dataset import Data, Part, Parts
from condensation.data.fitting import PreprocessingName, fit_preprocessing
from condensation.data.pictures import resized
from condensation.errors import CondensationError
from condensation.images import ImageSet
from condensation.rng import Rng

TEST_SHARE = 5  # without a test part, one in five images of each class becomes it


def assemble(name: str, parts: Parts, preprocessing: PreprocessingName, size: int | None, mirrored: bool | None) -> Data:
    """Both image sets of ``parts``, checked, with the preprocessing fitted on the training part."""
    if size is not None and size < 1:
        raise CondensationError(f"The size must be at least 1 pixel; it is {size}.")
    info = DATASETS.get(known_name(name) or "")
    names = _class_names(parts.train, info.class_names if info else None)
    _check_train(parts.train, names)
    train, test, note = parts.train, parts.test, parts.note
    if test is None:
        train, test, note = _set_aside(train, names)
    _check_test(test, train, names)
    if size is not None:
        train, test = (replace(part, images=resized(part.images, size, part.origin)) for part in (train, test))
    _check_shapes(train, test)
    fitted = fit_preprocessing(preprocessing, train.images, info, name)
    if mirrored is None:
        mirrored = info.mirrored if info else True
    sets = [ImageSet.of(part.images, part.labels, names, preprocessing=fitted, mirrored=mirrored) for part in (train, test)]
    return Data(name, sets[0], sets[1], note)


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
        raise CondensationError(f"There is only one class, {names[0]!r}, in {train.origin}: condensing needs at least two.")
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


def _set_aside(train: Part, names: tuple[str, ...]) -> tuple[Part, Part, str]:
    """A fifth of each class, at least one image, as the test part; the same images whenever it is asked."""
    chosen = torch.zeros(len(train.labels), dtype=torch.bool)
    for label, name in enumerate(names):
        places = (train.labels == label).nonzero().squeeze(1)
        if len(places) < 2:
            raise CondensationError(f"Class {name!r} has one image, so none can be set aside for a test.\nAdd images, or give a test part.")
        count = max(1, round(len(places) / TEST_SHARE))
        chosen[places[Rng(0).child("test", label).permutation(len(places))[:count]]] = True
    count = int(chosen.sum())
    note = f"There was no test part: {count} of {len(chosen)} images, a fifth of each class, were set aside at random (seed 0)."
    rest = replace(train, images=train.images[~chosen], labels=train.labels[~chosen])
    return rest, replace(train, images=train.images[chosen], labels=train.labels[chosen]), note


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
