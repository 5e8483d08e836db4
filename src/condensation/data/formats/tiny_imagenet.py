"""Tiny ImageNet as its authors give it out: ``tiny-imagenet-200.zip``, or the folder that it unpacks to.

Its test part has no labels, so the validation part, whose labels stand in a file of their own, is taken for it.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.data.cache import cached
from condensation.data.dataset import Format, Part, Parts, ReadOptions
from condensation.data.decode.decode import fitted
from condensation.data.decode.list_files import image_files, listed, stamp
from condensation.data.formats.archive import damaged

FOLDER = "tiny-imagenet-200"
ARCHIVE = FOLDER + ".zip"
CLASSES, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
TRAIN_FILE = re.compile(r"train/(n\d+)/images/[^/]+\.JPEG")
# Files are some kilobytes, images 64 x 64; what is far above that is there to fill the memory.
LARGEST_FILE = 10_000_000  # bytes
LARGEST_IMAGE = 1_000_000  # pixels


@dataclass(frozen=True)
class Files:
    """The files below the folder of the data set, on disk or in the archive."""

    path: Path
    names: frozenset[str]  # relative, with slashes
    read: Callable[[str], bytes]

    def lines(self, name: str) -> list[str]:
        if name not in self.names:
            raise CondensationError(f"{self.path} lacks {name}.\nRemove it and get it again: condense data get tiny-imagenet")
        try:
            return [line for line in self.read(name).decode().splitlines() if line.strip()]
        except UnicodeDecodeError as problem:
            raise self.damaged(name, problem) from problem

    def damaged(self, name: str, problem: object) -> CondensationError:
        return damaged(f"{name} in {self.path}", problem, "tiny-imagenet")


def holds_tiny_imagenet(path: Path) -> bool:
    """Whether ``path`` is the archive or the unpacked folder."""
    if path.is_dir():
        return (path / CLASSES).is_file() and (path / "train").is_dir()
    return path.name.startswith(FOLDER) and path.suffix == ".zip" and path.is_file()


def read_tiny_imagenet(path: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """All training and validation images, in colour, the classes in the order of ``wnids.txt`` and named as in ``words.txt``.

    Raises:
        CondensationError: if a file is missing, cut off or damaged, or an image is of no class.
        NotEnoughMemory: if the images would not fit.
    """
    return cached(("tiny-imagenet", path), _listing(path), how, lambda: _read_anew(path, how))


def _listing(path: Path) -> list[object]:
    """What changes when any file does."""
    if path.is_file():
        return [stamp(path.stat())]
    texts = [listed(path / name, name) for name in (CLASSES, WORDS, ANNOTATIONS) if (path / name).is_file()]
    return [*texts, *(file for part in ("train", "val") if (path / part).is_dir() for file in image_files(path / part)[0])]


def _read_anew(path: Path, how: ReadOptions) -> Parts:
    if path.is_dir():
        below = (Path(folder, name) for part in ("train", "val") for folder, _, names in os.walk(path / part) for name in names)
        names = {name for name in (CLASSES, WORDS) if (path / name).is_file()}
        names.update(file.relative_to(path).as_posix() for file in below)
        return _read(Files(path, frozenset(names), lambda name: (path / name).read_bytes()), how)
    try:
        with zipfile.ZipFile(path) as archive:
            prefix = FOLDER + "/"
            names = {name.removeprefix(prefix) for name in archive.namelist() if name.startswith(prefix)}
            return _read(Files(path, frozenset(names), lambda name: _member(archive, prefix + name)), how)
    except (OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as problem:
        raise damaged(path, problem, "tiny-imagenet") from problem


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > LARGEST_FILE:
        raise zipfile.BadZipFile(f"{name} would be {size:,} bytes")
    return archive.read(name)


def _read(files: Files, how: ReadOptions) -> Parts:
    wnids = files.lines(CLASSES)
    label = {wnid: number for number, wnid in enumerate(wnids)}
    names = class_names(wnids, files.lines(WORDS) if WORDS in files.names else [])
    # In the order of the classes and then of their names, so that archive and folder give the same.
    train = sorted((label.get(found[1], -1), found[0]) for name in files.names if (found := TRAIN_FILE.fullmatch(name)))
    rows = [line.split("\t") for line in files.lines(ANNOTATIONS)]
    test = sorted((label.get(row[1], -1) if len(row) > 1 else -1, f"val/images/{row[0]}") for row in rows)
    parts = []
    for what, rows_of in (("train", train), ("val", test)):
        if not rows_of:
            raise files.damaged(what, "there are no images")
        if rows_of[0][0] < 0:
            raise files.damaged(rows_of[0][1], f"it is of no class that {CLASSES} has")
        images = decode(files, [name for _, name in rows_of], how)
        parts.append(Part(images, torch.tensor([number for number, _ in rows_of]), names, f"{what} in {files.path}"))
    return Parts(parts[0], parts[1])


def class_names(wnids: list[str], words: Iterable[str]) -> tuple[str, ...]:
    """The first word for each of ``wnids``; all its words where the first is also another's."""
    known = dict(line.split("\t", 1) for line in words if "\t" in line)
    whole = [known.get(wnid, wnid).strip() for wnid in wnids]
    first = [name.split(",")[0] for name in whole]
    return tuple(short if first.count(short) == 1 else name for short, name in zip(first, whole, strict=True))


def decode(files: Files, names: list[str], how: ReadOptions) -> Tensor:
    """The images (n, 3, h, w) uint8 called ``names``.

    One after another: at 64 x 64 most time goes into Python, not into the decoder, and two threads on two cores were no faster.
    """
    shape = _decoded(files, names[0], how).shape
    # Twice: once as read, once sorted into an image set.
    advice = "Give a smaller size, or use a machine with more memory."
    memory.require(2 * len(names) * int(np.prod(shape)), f"Reading {len(names):,} images from {files.path}", advice)
    images = np.empty((len(names), *shape), dtype=np.uint8)
    for target, name in zip(images, names, strict=True):
        pixels = _decoded(files, name, how)
        if pixels.shape != shape:
            sizes = [f"{one[2]} x {one[1]} pixels" for one in (pixels.shape, shape)]
            raise files.damaged(name, f"it has {sizes[0]}, and the first image has {sizes[1]}")
        target[:] = pixels
    return torch.from_numpy(images)


def _decoded(files: Files, name: str, how: ReadOptions) -> np.ndarray:
    """The pixels (3, h, w) of one image."""
    try:
        with Image.open(io.BytesIO(files.read(name)), formats=("JPEG",)) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise ValueError(f"it has {image.width} x {image.height} pixels")
            picture = image.convert("RGB")
    except MemoryError:
        raise
    except Exception as problem:  # Pillow's readers raise errors of many types on damaged files
        raise files.damaged(name, problem) from problem
    return np.asarray(picture if how.shape is None else fitted(picture, how.shape, how.fit)).transpose(2, 0, 1)


TINY_IMAGENET_FILES = Format("the files of Tiny ImageNet", holds_tiny_imagenet, read_tiny_imagenet, "tiny-imagenet", (FOLDER, ARCHIVE))
