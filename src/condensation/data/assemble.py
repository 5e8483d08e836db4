"""Assembly of image sets from the splits of a reader: checks, held-out test split, size, preprocessing."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Preprocessing
from condensation.core.stored_images import in_blocks
from condensation.core.text import joined, listed
from condensation.data.arrays import scale_splits
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.dataset import Data, FileSummary, RawData, RawSplit, ReadOptions, format_shape
from condensation.data.decode.decode import resize_images
from condensation.data.duplicates import find_duplicates
from condensation.data.fit_preprocessing import PreprocessingName, fit_preprocessing
from condensation.data.match_classes import match_classes
from condensation.data.split import hold_out_test

logger = logging.getLogger(__name__)

MOST_LISTED = 100  # names of skipped images on a card
TINY, PHOTOGRAPH = 16, 64  # shorter sides in pixels: of images that show little, and of images that are no icons


def assemble(
    name: str,
    raw: RawData,
    preprocessing: PreprocessingName | Preprocessing,
    options: ReadOptions,
    flip_invariant: bool | None,
    class_names: Sequence[str] | None = None,
) -> Data:
    """Return both image sets of ``raw``, checked, with preprocessing fitted on the training split, whose labels ``class_names`` names."""
    info = DATASETS.get(known_name(name) or "")
    given = None if class_names is None else tuple(class_names)
    usual = info.class_names if info else None
    train, test, left_out = match_classes(raw.train, raw.test, usual=usual, given=given, drop_empty=options.drop_empty)
    train, test, range_note = scale_splits(train, test, options.black_and_white)
    notes = [raw.note, left_out, range_note]
    names = train.class_names or ()
    details: dict[str, Any] = {}
    warnings = list(raw.packed.warnings) if raw.packed else []
    if test is None:
        train, test, held_out, details["split"] = hold_out_test(train, names)
        notes.append(held_out)
    if options.shape is not None:
        shape = options.shape
        if raw.packed is None:
            warnings += _tiny_size(raw.files, shape)
        train, test = (replace(split, images=resize_images(split.images, shape, options.fit, split.origin)) for split in (train, test))
    _check_shapes(train, test)
    if raw.files:
        train = _sorted(train)  # so that sums for ZCA are the same in the order of a table and in that of the cache
    fitted = fit_preprocessing(preprocessing, train.images, info, name)
    if flip_invariant is None:
        flip_invariant = info.flip_invariant if info else True
    if raw.files and raw.files.skipped:
        images = [{"name": image.name, "why": image.why} for image in raw.files.skipped[:MOST_LISTED]]
        details["skipped"] = {"count": len(raw.files.skipped), "images": images}
    if raw.packed is None:
        for split in (train, test):
            warnings += _constant_images(split, names)
        duplicates = find_duplicates(train.images, test.images).tolist()
        warnings += _duplicates(duplicates, test, names)
        details |= {"in_both": len(duplicates)} if duplicates else {}
    sets = [ImageSet.of(split.images, split.labels, names, preprocessing=fitted, flip_invariant=flip_invariant) for split in (train, test)]
    if raw.packed:
        details = dict(raw.packed.details)
        if names == raw.packed.class_names:
            sets = [images.remembering(known) for images, known in zip(sets, raw.packed.fingerprints, strict=True)]
    note, origins = joined(*notes), (train.origin, test.origin)
    return Data(name, sets[0], sets[1], note, details, raw.files, raw.format or "arrays", origins, tuple(warnings))


def warned(data: Data) -> Data:
    """Log the warnings about ``data``, and return it."""
    for warning in data.warnings:
        logger.warning(warning)
    return data


def _sorted(split: RawSplit) -> RawSplit:
    """Return the images in the order of their labels."""
    if bool((split.labels[1:] >= split.labels[:-1]).all()):
        return split
    order = split.labels.argsort(stable=True)
    names = tuple(split.names[index] for index in order.tolist()) if split.names else None
    return replace(split, images=split.images[order], labels=split.labels[order], names=names)


def _tiny_size(files: FileSummary | None, shape: tuple[int, int]) -> list[str]:
    """Return a warning if photographs are scaled to a size at which little can be recognized."""
    sides = sorted(min(size) for size, count in (files.sizes if files else {}).items() for _ in range(count))
    usual = sides[len(sides) // 2] if sides else 0
    if min(shape) >= TINY or usual < PHOTOGRAPH:
        return []
    problem = f"A size of {format_shape(shape)} pixels leaves little to recognize in images of {usual:,} pixels or more"
    return [f"{problem}. Set a larger size, such as size=32 or size=64."]


def _duplicates(indices: list[int], test: RawSplit, names: tuple[str, ...]) -> list[str]:
    """Return a warning if there are test images that are also training images, at ``indices``."""
    problem = f"test images are also training images, pixel for pixel {_first(test, indices, names)}" if indices else ""
    return [f"{len(indices):,} of {len(test.labels):,} {problem}. Test accuracies will be too high."] if indices else []


def _constant_images(split: RawSplit, names: tuple[str, ...]) -> list[str]:
    """Return a warning about images of a single colour, which are seldom meant."""
    indices, first = [], 0
    for images in (block.flatten(2) for block in in_blocks(split.images)):
        # Few images of other kinds have the same colour in a corner and in the middle.
        likely = (images[..., 0] == images[..., images.shape[2] // 2]).all(1).nonzero().squeeze(1)
        indices += [first + index for index in likely.tolist() if bool((images[index] == images[index, :, :1]).all())]
        first += len(images)
    if not indices:
        return []
    labels = split.labels[indices]
    counts, totals = (torch.bincount(values, minlength=len(names)).tolist() for values in (labels, split.labels))
    whole = [repr(name) for name, count, total in zip(names, counts, totals, strict=True) if count == total > 0]
    classes = f" These are all images of {'the class' if len(whole) == 1 else 'the classes'} {listed(whole)}." if whole else ""
    problem = f"images have a single colour everywhere {_first(split, indices, names)}.{classes}"
    return [f"{len(indices):,} of {len(split.labels):,} {problem} Check the files and the range of their pixels."]


def _first(split: RawSplit, indices: list[int], names: tuple[str, ...]) -> str:
    name = split.names[indices[0]] if split.names else f"number {indices[0]} of {split.origin}"
    return f"(the first: {name}, of class {names[int(split.labels[indices[0]])]!r})"


def _check_shapes(train: RawSplit, test: RawSplit) -> None:
    shapes = [tuple(split.images.shape[1:]) for split in (train, test)]
    if shapes[0] != shapes[1]:
        message = f"Training images are {shapes[0]} (channels, height, width), test images {shapes[1]}; expected equal shapes."
        hint = "Set a size, such as size=64, and use the same number of channels for both."
        raise CondensationError(message, hint=hint, setting="data.size")
