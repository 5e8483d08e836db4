"""Folders of images with one sub-folder per class, optionally below ``train`` and ``test``."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.data.cache import read_cached
from condensation.data.dataset import FileSummary, Format, RawData, ReadOptions, single_class_error
from condensation.data.decode.list_files import ListedFile, list_images, printable, subfolders
from condensation.data.decode.parallel import PendingImages, file_image, read_splits
from condensation.data.split import TRAIN_NAMES, choose_test


@dataclass(frozen=True)
class ClassFolders:
    """Image files of a split by class."""

    folder: Path
    classes: Mapping[str, list[ListedFile]]
    others: Counter[str]  # reason: number of ignored files

    def pending(self, names: tuple[str, ...]) -> PendingImages:
        """Return the images; items are created lazily, since a cached data set needs none."""
        items = (
            file_image(file.path, os.path.join(printable(str(self.folder)), name, file.name), names.index(name))
            for name, files in self.classes.items()
            for file in files
        )
        return PendingImages(items, sum(map(len, self.classes.values())), str(self.folder))


def is_image_folder(folder: Path) -> bool:
    """Return whether ``folder`` has sub-folders, which may be classes, or images, which would be misplaced."""
    return folder.is_dir() and bool(subfolders(folder) or list_images(folder, deep=False)[0])


def read_image_folder(folder: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the images of ``folder``, or of its ``train`` and ``test`` (or ``val``); grey if all images are grey, else RGB.

    Raise CondensationError if there is no class, a class has no image, sizes differ with no size set, or an image cannot be read, and
    NotEnoughMemory if the images do not fit.
    """
    inside = {path.name.lower(): path for path in subfolders(folder)}
    train_folder = next((inside[name] for name in TRAIN_NAMES if name in inside and subfolders(inside[name])), None)
    if train_folder is None:  # there may be a class named "train"
        train, test, note = _class_folders(folder), None, ""
    else:
        train = _class_folders(train_folder)
        test_name, note = choose_test(inside)
        test = _class_folders(inside[test_name]) if test_name else None
    for name in test.classes if test else ():
        if test and name not in train.classes:
            message = f"{test.folder} has the class {name!r}, which is not in {train.folder}."
            raise CondensationError(message, hint="Add the class there, or remove its folder.")
    if len(train.classes) < 2:  # checked before the images are read
        raise single_class_error(next(iter(train.classes)), str(train.folder))
    splits = [split for split in (train, test) if split]
    listing = [(split.folder.name, name, *file) for split in splits for name, files in split.classes.items() for file in files]
    classes = tuple(train.classes)

    def read() -> RawData:
        return read_splits(train.pending(classes), test.pending(classes) if test else None, classes, options, note)

    raw = read_cached(("folder", folder), listing, options, read)
    others = sum((split.others for split in splits), Counter[str]())
    return replace(raw, files=(raw.files or FileSummary()) + FileSummary(ignored=dict(others)))


def _class_folders(folder: Path) -> ClassFolders:
    """Return the image files at any depth below each class folder in ``folder``."""
    classes = {}
    stray, others = list_images(folder, deep=False)
    for path in subfolders(folder):
        classes[printable(path.name)], ignored = list_images(path)
        others += ignored
    if not classes:
        message = f"{folder} has {f'{len(stray):,} images but ' if stray else ''}no class folders."
        hint = "Put the images of each class into a sub-folder with its name, or list them in a CSV file with columns path and label."
        raise CondensationError(message, hint=hint)
    for name, files in classes.items():
        if not files:
            raise CondensationError(f"Class {name!r} has no images in {folder / name}.", hint="Add images, or remove the folder.")
    if stray:
        others["outside the class folders"] += len(stray)
    return ClassFolders(folder, classes, others)


IMAGE_FOLDER = Format("a sub-folder of images for each class", is_image_folder, read_image_folder)
