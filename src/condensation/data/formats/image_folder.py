"""A folder of images with one sub-folder a class, perhaps below ``train`` and ``test``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.data.cache import cached
from condensation.data.dataset import Format, Found, Parts, ReadOptions, only_one_class
from condensation.data.decode.list_files import File, image_files, natural, shown, subfolders
from condensation.data.decode.parallel import Heap, file_item, read_parts

# What the part is called that is the training part, and those of which the first that is there is the test part.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")


@dataclass(frozen=True)
class Tree:
    """The files of a part, class by class."""

    folder: Path
    classes: Mapping[str, list[File]]
    others: Counter[str]  # files that are not read, by why

    def heap(self, names: tuple[str, ...]) -> Heap:
        """The images, made only when they are asked for: from the cache they come without."""
        items = (
            file_item(file.path, os.path.join(shown(str(self.folder)), name, file.name), names.index(name))
            for name, files in self.classes.items()
            for file in files
        )
        return Heap(items, sum(map(len, self.classes.values())), str(self.folder))


def holds_images(folder: Path) -> bool:
    """Whether ``folder`` has sub-folders, which may be classes, or images, which should lie in some."""
    return folder.is_dir() and bool(subfolders(folder) or image_files(folder, deep=False)[0])


def read_image_folder(folder: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """The classes in ``folder``, or in its ``train`` and ``test`` (or ``val``).

    Images are grey if all are, otherwise RGB. What was read before, and is as it was, comes from the cache.

    Raises:
        CondensationError: if there is no class, a class has no image, sizes differ and none is wanted, or an image cannot
            be read.
        NotEnoughMemory: if the images would not fit.
    """
    inside = {path.name.lower(): path for path in subfolders(folder)}
    train_folder = next((inside[name] for name in TRAIN_NAMES if name in inside and subfolders(inside[name])), None)
    if train_folder is None:  # or a class is called "train"
        train, test, note = _tree(folder), None, ""
    else:
        train = _tree(train_folder)
        found = [inside[name] for name in TEST_NAMES if name in inside]
        test = _tree(found[0]) if found else None
        note = f"Of {' and '.join(path.name for path in found)}, {found[0].name} was used." if len(found) > 1 else ""
    for name in test.classes if test else ():
        if name not in train.classes:
            raise CondensationError(f"{test and test.folder} has a class {name!r}, which {train.folder} doesn't have.")
    if len(train.classes) < 2:  # before all images are read, to no avail
        raise only_one_class(next(iter(train.classes)), str(train.folder))
    trees = [tree for tree in (train, test) if tree]
    listing = [(tree.folder.name, name, *file) for tree in trees for name, files in tree.classes.items() for file in files]
    names = tuple(train.classes)
    parts = cached(
        ("folder", folder),
        listing,
        how,
        lambda: read_parts(train.heap(names), test.heap(names) if test else None, names, how, note),
    )
    others = sum((tree.others for tree in trees), Counter[str]())
    return replace(parts, found=(parts.found or Found()) + Found(passed_over=dict(others)))


def _tree(folder: Path) -> Tree:
    """The image files of each class in ``folder``, however deep below the class's folder."""
    classes = {}
    beside, others = image_files(folder, deep=False)
    for path in subfolders(folder):
        classes[shown(path.name)], more = image_files(path)
        others += more
    if not classes:
        raise CondensationError(
            f"{folder} has {f'{len(beside):,} images but ' if beside else ''}no class folders.\n"
            "Put the images of each class into a sub-folder with its name, or list them in a CSV file with the columns path and label."
        )
    for name, files in classes.items():
        if not files:
            raise CondensationError(f"Class {name!r} has no images: there are none in {folder / name}.\nAdd images, or remove the folder.")
    if beside:
        others["in no class folder"] += len(beside)
    return Tree(folder, classes, others)


__all__ = ["IMAGE_FOLDER", "holds_images", "natural", "read_image_folder", "subfolders"]

IMAGE_FOLDER = Format("a sub-folder of images for each class", holds_images, read_image_folder)
