"""Tiny ImageNet in its official form: ``tiny-imagenet-200.zip`` or the unpacked folder.

Its test split has no labels, so the validation split is used as the test split. Its images may be sorted into class folders.
"""

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from condensation.core.errors import CondensationError
from condensation.core.regular_files import read_regular
from condensation.data.cache import read_cached
from condensation.data.dataset import RawData, ReadOptions
from condensation.data.decode.decode import DecodedImage, UnreadableImage, decode_image
from condensation.data.decode.list_files import file_stamp, list_images, stat_file
from condensation.data.decode.parallel import PendingImage, PendingImages, read_splits
from condensation.data.formats.archive import damaged_file, naming_damage
from condensation.data.formats.format import Format

DATASET = "tiny-imagenet"
FOLDER = "tiny-imagenet-200"
ARCHIVE = FOLDER + ".zip"
CLASSES, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
SORTED_FILE = re.compile(r"(train|val)/(n\d+)/(?:images/)?[^/]+\.JPEG")
FILE_NAME = re.compile(r"[\w][\w.-]{0,200}")  # a name without folders, which cannot lead out of the data set
# Files have a few kilobytes and images 64 x 64 pixels; far larger ones are attacks that exhaust memory.
LARGEST_FILE = 10_000_000  # bytes
LARGEST_IMAGE = 1_000_000  # pixels


@dataclass(frozen=True)
class DatasetFiles:
    """Files of the data set, on disk or in the archive."""

    path: Path
    names: frozenset[str]  # relative, with slashes
    read: Callable[[str], bytes]

    def lines(self, name: str) -> list[str]:
        """Return the lines of the text file ``name`` that are not empty."""
        if name not in self.names:
            hint = f"Add that file, or get the data set again: condense data get {DATASET}"
            raise CondensationError(f"{self.path} lacks {name}.", hint=hint)
        with naming_damage(f"{name} in {self.path}", DATASET):
            return [line for line in self.read(name).decode().splitlines() if line.strip()]

    def damaged(self, name: str, problem: object) -> CondensationError:
        """Return the error for the damaged file ``name``."""
        return damaged_file(f"{name} in {self.path}", problem, DATASET)


def is_tiny_imagenet(path: Path) -> bool:
    """Return whether ``path`` is the archive or the unpacked folder, from names alone."""
    if path.is_dir():
        return (path / CLASSES).is_file() and (path / "train").is_dir()
    return path.name.startswith(FOLDER) and path.suffix == ".zip" and path.is_file()


def read_tiny_imagenet(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the training and validation images; classes are ordered by ``wnids.txt`` and named by ``words.txt``."""
    return read_cached((DATASET, path), _listing(path), options, lambda: _read_anew(path, options))


def _listing(path: Path) -> list[object]:
    """Return the stamps of all files, as the key of the cache."""
    if path.is_file():
        return [file_stamp(path.stat())]
    texts = [stat_file(path / name, name) for name in (CLASSES, WORDS, ANNOTATIONS) if (path / name).is_file()]
    return [*texts, *(file for split in ("train", "val") if (path / split).is_dir() for file in list_images(path / split)[0])]


def _read_anew(path: Path, options: ReadOptions) -> RawData:
    if path.is_dir():
        below = (Path(folder, name) for split in ("train", "val") for folder, _, names in os.walk(path / split) for name in names)
        names = {name for name in (CLASSES, WORDS) if (path / name).is_file()}
        names.update(file.relative_to(path).as_posix() for file in below)
        return _read(DatasetFiles(path, frozenset(names), lambda name: read_regular(path / name, LARGEST_FILE)), options)
    errors = (OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile)  # not those of `on_progress`
    with naming_damage(path, DATASET, errors), zipfile.ZipFile(path) as archive:
        prefix = FOLDER + "/"
        names = {name.removeprefix(prefix) for name in archive.namelist() if name.startswith(prefix)}
        return _read(DatasetFiles(path, frozenset(names), lambda name: _read_member(archive, prefix + name)), options)


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > LARGEST_FILE:
        raise zipfile.BadZipFile(f"{name} has {size:,} bytes unpacked, expected at most {LARGEST_FILE:,}")
    with archive.open(name) as file:
        return file.read(size)  # without a size, zipfile unpacks all that is there before it looks at the size


def _read(files: DatasetFiles, options: ReadOptions) -> RawData:
    wnids = files.lines(CLASSES)
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    names = class_names(wnids, files.lines(WORDS) if WORDS in files.names else [])
    # Sorted by class and name, so that archive and folder give the same order.
    matches = [match for name in files.names if (match := SORTED_FILE.fullmatch(name))]
    train, test = (sorted((labels.get(match[2], -1), match[0]) for match in matches if match[1] == split) for split in ("train", "val"))
    if not test:
        rows = [line.split("\t") for line in files.lines(ANNOTATIONS)]
        for row in rows:
            if not FILE_NAME.fullmatch(row[0]):
                raise files.damaged(f"val/images/{row[0][:100]}", f"{ANNOTATIONS} may list plain file names only")
        test = sorted((labels.get(row[1], -1) if len(row) > 1 else -1, f"val/images/{row[0]}") for row in rows)
    splits = []
    for split, images in (("train", train), ("val", test)):
        if not images:
            raise files.damaged(split, "there are no images")
        if images[0][0] < 0:
            raise files.damaged(images[0][1], f"its class is not in {CLASSES}")
        items = [PendingImage(f"{name} in {files.path}", label, partial(_decode, files, name)) for label, name in images]
        splits.append(PendingImages(items, len(items), f"{split} in {files.path}", names))
    return read_splits(splits[0], splits[1], options)


def class_names(wnids: list[str], words: Iterable[str]) -> tuple[str, ...]:
    """Return the first word of each of ``wnids``, or all its words if another class has the same first word."""
    known = dict(line.split("\t", 1) for line in words if "\t" in line)
    full = [known.get(wnid, wnid).strip() for wnid in wnids]
    first = [name.split(",")[0] for name in full]
    return tuple(short if first.count(short) == 1 else name for short, name in zip(first, full, strict=True))


def _decode(files: DatasetFiles, name: str, options: ReadOptions) -> DecodedImage:
    def open_image() -> Image.Image:
        image = Image.open(io.BytesIO(files.read(name)), formats=("JPEG",))
        if image.width * image.height > LARGEST_IMAGE:
            raise UnreadableImage(f"has {image.width} x {image.height} pixels")
        return image

    return decode_image(open_image, options)


TINY_IMAGENET_FILES = Format("the files of Tiny ImageNet", is_tiny_imagenet, read_tiny_imagenet, DATASET, (FOLDER, ARCHIVE))
