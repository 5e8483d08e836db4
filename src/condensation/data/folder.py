"""A folder of images with one sub-folder a class, perhaps below ``train`` and ``test``."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from condensation.data import memory
from condensation.data.dataset import Format, Part, Parts, Reading
from condensation.data.pictures import endings, is_grey, read_picture
from condensation.errors import CondensationError

TEST_NAMES = ("test", "val")  # the first that is there is the test part


def natural(name: str) -> tuple[tuple[str | int, ...], str]:
    """A key that sorts ``class2`` before ``class10``."""
    parts: list[str | int] = list(re.split(r"(\d+)", name.lower()))
    parts[1::2] = [int(number) for number in parts[1::2]]
    return tuple(parts), name


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder`` that are not hidden, in natural order."""
    return sorted(
        (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")), key=lambda path: natural(path.name)
    )


def holds_images(folder: Path) -> bool:
    """Whether ``folder`` has sub-folders, which may be classes."""
    return folder.is_dir() and bool(subfolders(folder))


def read_image_folder(folder: Path, how: Reading = Reading()) -> Parts:
    """The classes in ``folder``, or in its ``train`` and ``test`` (or ``val``).

    Images are grey if all are, otherwise RGB. With ``how.size`` the shorter side is scaled to it and the centre is kept;
    without, all must have one size.

    Raises:
        CondensationError: if there is no class, a class has no image, sizes differ, or a file is no image or damaged.
        NotEnoughMemory: if the images would not fit.
    """
    inside = {path.name: path for path in subfolders(folder)}
    if "train" not in inside or not holds_images(inside["train"]):  # a class may be called "train" as well
        classes = _files(folder)
        return Parts(_read(folder, classes, tuple(classes), _all_grey(classes), how.size), None)
    classes = _files(inside["train"])
    found = [name for name in TEST_NAMES if name in inside]
    test_classes = _files(inside[found[0]]) if found else {}
    for name in test_classes:
        if name not in classes:
            raise CondensationError(f"{inside[found[0]]} has a class {name!r}, which {inside['train']} doesn't have.")
    grey = _all_grey(classes) and _all_grey(test_classes)
    names = tuple(classes)
    train = _read(inside["train"], classes, names, grey, how.size)
    if not found:
        return Parts(train, None)
    note = f"Of {' and '.join(found)}, {found[0]} was used." if len(found) > 1 else ""
    return Parts(train, _read(inside[found[0]], test_classes, names, grey, how.size), note)


def _files(folder: Path) -> dict[str, list[Path]]:
    """The image files of each class, however deep below its folder."""
    readable = endings()
    classes = {}
    for path in subfolders(folder):
        below = sorted(file for file in path.rglob("*") if file.suffix.lower() in readable and file.is_file())
        classes[path.name] = [file for file in below if not any(name.startswith(".") for name in file.relative_to(path).parts)]
    if not classes:
        raise CondensationError(f"{folder} has no class folders.\nPut the images of each class into a sub-folder with its name.")
    for name, files in classes.items():
        if not files:
            raise CondensationError(f"Class {name!r} has no images: there are none in {folder / name}.\nAdd images, or remove the folder.")
    return classes


def _all_grey(classes: dict[str, list[Path]]) -> bool:
    return all(is_grey(path) for files in classes.values() for path in files)


def _read(folder: Path, classes: dict[str, list[Path]], names: tuple[str, ...], grey: bool, size: int | None) -> Part:
    files = [file for of_class in classes.values() for file in of_class]
    labels = torch.tensor([names.index(name) for name, of_class in classes.items() for _ in of_class])
    first = read_picture(files[0], grey, size)
    # Twice: once as read, once sorted into an image set.
    memory.require(2 * len(files) * first.size, f"Reading {len(files):,} images from {folder}", "Give a size, or a smaller one.")
    images = torch.empty((len(files), *first.shape), dtype=torch.uint8)
    for target, file in zip(images, files, strict=True):
        picture = read_picture(file, grey, size)
        if picture.shape != first.shape:
            raise CondensationError(
                f"The images differ in size: {files[0]} has {_dimensions(first.shape)}, {file} has {_dimensions(picture.shape)}.\n"
                "Give a size to which all are scaled and cropped: data.size=32, or load(..., size=32)."
            )
        target.copy_(torch.from_numpy(picture.copy()))
    return Part(images, labels, names, str(folder))


def _dimensions(shape: tuple[int, ...]) -> str:
    return f"{shape[-1]} x {shape[-2]} pixels"


IMAGE_FOLDER = Format("a sub-folder of images for each class", holds_images, read_image_folder)
