"""Folders of images with one sub-folder per class, optionally below ``train`` and ``test``."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.core.text import joined, listed
from condensation.data.cache import read_cached
from condensation.data.dataset import FileSummary, RawData, ReadOptions, single_class_error
from condensation.data.decode.list_files import ListedFile, list_images, natural_key, printable, subfolders, with_few_names
from condensation.data.decode.parallel import PendingData, PendingImage, PendingImages, file_image, read_splits
from condensation.data.formats.format import Format
from condensation.data.match_classes import LEAVE_OUT, left_out_note, normalized, normalized_names, unknown_class_error
from condensation.data.parts import choose_parts, part_kind

YEAR = re.compile(r"(19|20)\d\d")  # sub-folders of one class by year are common
HERE = "."  # value of data.train for a folder that has only classes


@dataclass(frozen=True)
class ClassFolders:
    """Image files of a split by class."""

    folder: Path
    classes: Mapping[str, list[ListedFile]]
    others: Counter[str]  # reason: number of ignored files
    empty: tuple[str, ...] = ()  # classes left out, since they have no image

    def __iter__(self) -> Iterator[PendingImage]:
        """Yield the images one by one, since a million of them take as much memory as their files."""
        for label, (name, files) in enumerate(self.classes.items()):
            place = os.path.join(printable(str(self.folder)), name)
            for file in files:
                yield file_image(file.path, os.path.join(place, file.name), label)

    def listing(self) -> Iterator[object]:
        """Yield values that identify the state of all files."""
        return ((self.folder.name, name, *file) for name, files in self.classes.items() for file in files)

    def pending(self) -> PendingImages:
        labels = [label for label, files in enumerate(self.classes.values()) for _ in files]
        return PendingImages(self, len(labels), str(self.folder), tuple(self.classes), labels)


def is_image_folder(folder: Path) -> bool:
    """Return whether ``folder`` has sub-folders, which may be classes, or images, which would be misplaced."""
    return folder.is_dir() and bool(subfolders(folder) or list_images(folder, deep=False)[0])


def read_image_folder(folder: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the images of ``folder``, or of its ``train`` and ``test`` (or ``val``); grey if all images are grey, else RGB.

    A single folder around all others is passed through. Raise CondensationError if there is no class, a class has no image, sizes differ
    with no size set, or an image cannot be read, and NotEnoughMemory if the images do not fit.
    """
    found = pending_image_folder(folder, options)
    raw = read_cached(("folder", folder), found.listing, options, lambda: read_splits(found.train, found.test, options), found)
    return replace(raw, note=joined(found.note, raw.note), files=(raw.files or FileSummary()) + FileSummary(ignored=found.ignored))


def pending_image_folder(folder: Path, options: ReadOptions) -> PendingData:
    """Return the images that `read_image_folder` reads, class by class."""
    train, test, note = _find_splits(folder, options)
    if len(train.classes) < 2:  # checked before the images are read
        raise single_class_error(next(iter(train.classes)), str(train.folder))
    for name in test.classes if test else ():
        if test and name not in train.classes:
            raise unknown_class_error(str(test.folder), name, str(train.folder))
    splits = [split for split in (train, test) if split]
    listing = chain.from_iterable(split.listing() for split in splits)
    others = with_few_names(sum((split.others for split in splits), Counter[str]()))
    return PendingData(train.pending(), test.pending() if test else None, note, others, listing)


def _find_splits(folder: Path, options: ReadOptions) -> tuple[ClassFolders, ClassFolders | None, str]:
    """Return the classes of the training part and the test part, and a note for the user."""
    classes_here = options.train == HERE and options.test is None
    place = folder if classes_here else _inner(folder, options)
    inside = {printable(path.name): path for path in subfolders(place)}
    parts = None if classes_here else choose_parts(inside, options, str(place))
    if parts and parts.others and not options.named_parts and not subfolders(inside[parts.train]):  # a class called "train"
        parts = None
    outer = f"The images are those in {place}." if place != folder else ""
    if parts is None:
        train = _class_folders(place, options)
        if not classes_here:
            _check_no_parts(train)
        return train, None, joined(outer, left_out_note(train.empty))
    train = _class_folders(_inner(inside[parts.train]), options)
    tests = {name: _labelled(inside[name], train, options) for name in parts.tests}
    chosen, note = parts.choose_test([name for name, split in tests.items() if split is None])
    return train, tests[chosen] if chosen else None, joined(outer, left_out_note(train.empty), note)


def _inner(folder: Path, options: ReadOptions | None = None) -> Path:
    """Return the folder with several sub-folders below single ones in ``folder``; with ``options``, stop above a part."""
    place = folder
    while len(below := subfolders(place)) == 1 and not list_images(place, deep=False)[0]:
        if options and (options.named_parts or part_kind(below[0].name)):
            return place
        place = below[0]
    return place if len(below) > 1 else folder


def _labelled(folder: Path, train: ClassFolders, options: ReadOptions) -> ClassFolders | None:
    """Return the classes of the test part in ``folder``; None if it has no class folder, or a single folder that is no class."""
    below = subfolders(folder)
    names = [normalized(printable(path.name)) for path in below]
    if len(names) == 1 and names[0] not in train.classes:
        folder = _inner(folder)
        below = subfolders(folder) if folder != below[0].parent else []
    return _class_folders(folder, options, train) if below else None


def _class_folders(folder: Path, options: ReadOptions, train: ClassFolders | None = None) -> ClassFolders:
    """Return the image files at any depth below each class folder. In the test part, classes that ``train`` lacks may be empty."""
    classes: dict[str, list[ListedFile]] = {}
    stray, others = list_images(folder, deep=False)
    paths = subfolders(folder)
    names = normalized_names(tuple(printable(path.name) for path in paths), str(folder))
    passed_over: dict[str, Counter[str]] = {}
    for name, path in zip(names, paths, strict=True):
        classes[name], passed_over[name] = list_images(path)
        others += passed_over[name]
    if not classes:
        message = f"{folder} has {f'{len(stray):,} images but ' if stray else ''}no class folders."
        hint = "Put the images of each class into a sub-folder with its name, or list them in a CSV file with columns path and label."
        raise CondensationError(message, hint=hint)
    empty = tuple(name for name, files in classes.items() if not files)
    for name in empty:
        if not options.drop_empty and (train is None or name in train.classes):
            reasons = listed([f"{count:,} {reason}" for reason, count in passed_over[name].most_common()])
            message = f"Class {name!r} has no images in {folder / name}." + (f" Passed over there: {reasons}." if reasons else "")
            raise CondensationError(message, hint=f"Add images, remove the folder, or {LEAVE_OUT}", setting="data.drop_empty")
    if len(empty) == len(classes):
        reasons = listed([f"{count:,} {reason}" for reason, count in others.most_common()])
        raise CondensationError(f"{folder} has no images in its class folders." + (f" Passed over: {reasons}." if reasons else ""))
    if stray:
        others["outside the class folders"] += len(stray)
    return ClassFolders(folder, {name: files for name, files in classes.items() if files}, with_few_names(others), empty)


def _check_no_parts(train: ClassFolders) -> None:
    """Raise CondensationError if most folders have the same sub-folders, as parts with unknown names have."""
    below = {name: folders for name, files in train.classes.items() if (folders := _folders_among(files))}
    common = set.intersection(*below.values()) if len(below) > 1 else set()
    common = {name for name in common if not YEAR.fullmatch(name)}
    if len(common) < 2 or 2 * len(below) < len(train.classes):
        return
    first, second = (listed(sorted(names, key=natural_key)) for names in (below, common))
    hint = f"If they are parts, name them, such as data.train={min(below)} data.test={max(below)}."
    if any(map(part_kind, common)):
        hint = "Move them to train/CLASS and test/CLASS."
    message = f"The folders {first} in {train.folder} all have the sub-folders {second}, so they may not be classes."
    raise CondensationError(message, hint=f"{hint} If they are classes, set data.train={HERE}", setting="data.train")


def _folders_among(files: Sequence[ListedFile]) -> set[str]:
    """Return the sub-folders that hold all ``files`` below the last common folder; empty if a file is outside of them."""
    places = [file.name.split(os.sep)[:-1] for file in files]
    depth = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(places[0], places[-1], strict=False)))  # files are sorted
    return {place[depth] for place in places} if all(len(place) > depth for place in places) else set()


IMAGE_FOLDER = Format(
    "a sub-folder of images for each class", is_image_folder, read_image_folder, has_parts=True, pending=pending_image_folder
)
