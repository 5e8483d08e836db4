"""NumPy archives with images, labels and optional class names: ``train.npz`` and ``test.npz``, or one file."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.data.arrays import as_labels, as_pixels
from condensation.data.dataset import COPIES, Format, RawData, RawSplit, ReadOptions
from condensation.data.formats.archive import damaged_file

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def is_npz_folder(folder: Path) -> bool:
    """Return whether ``folder`` has ``train.npz``."""
    return (folder / "train.npz").is_file()


def read_npz_folder(folder: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the splits of ``train.npz`` and, if it exists, ``test.npz``."""
    test = folder / "test.npz"
    return RawData(read_npz(folder / "train.npz"), read_npz(test) if test.is_file() else None)


def is_npz_file(path: Path) -> bool:
    """Return whether ``path`` is an npz file, from its name alone."""
    return path.suffix.lower() == ".npz" and path.is_file()


def read_npz_file(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the split of one file, without a test split; for ``train.npz``, read ``test.npz`` in its folder as well."""
    return read_npz_folder(path.parent) if path.name == "train.npz" else RawData(read_npz(path), None)


def read_npz(path: Path) -> RawSplit:
    """Return the split of a file with ``images`` (n, h, w[, c]), ``labels`` (n,) and optional ``class_names`` (classes,).

    Raise CondensationError if the file is damaged, lacks an array, or contains Python objects, which could run code, and NotEnoughMemory
    if the sizes in its headers do not fit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {name.removesuffix(".npy") for name in archive.namelist()}
            for key in ("images", "labels"):
                if key not in keys:
                    raise CondensationError(f"{path} has no {key!r}; expected 'images', 'labels' and optionally 'class_names'.")
            images, labels = _read_array(archive, "images", path), _read_array(archive, "labels", path)
            names = _read_array(archive, "class_names", path) if "class_names" in keys else None
    except (OSError, EOFError, RuntimeError, NotImplementedError, KeyError, zipfile.BadZipFile, zlib.error) as problem:
        raise damaged_file(path, problem) from problem
    class_names = None if names is None else tuple(str(name) for name in names.reshape(-1).tolist())
    return RawSplit(as_pixels(images, str(path)), as_labels(labels, str(path)), class_names, str(path))


def _read_array(archive: zipfile.ZipFile, key: str, path: Path) -> np.ndarray:
    member = f"{key}.npy" if f"{key}.npy" in archive.namelist() else key
    try:
        with archive.open(member) as file:
            shape, dtype = _read_header(file)
        if dtype.hasobject:
            raise CondensationError(f"{key!r} in {path} contains Python objects, which could run code.", hint="Save plain arrays.")
        memory.require(math.prod(shape) * dtype.itemsize * COPIES, f"Reading {path}", "Use fewer or smaller images.")
        with archive.open(member) as file:
            array: np.ndarray = npy.read_array(file, allow_pickle=False)
            file.read()  # zipfile verifies its checksum at the end
    except (CondensationError, MemoryError):
        raise
    except Exception as problem:  # numpy's reader raises errors of many types on damaged headers
        raise damaged_file(f"{key!r} in {path}", problem) from problem
    return array


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"unknown version {version} of the array format")
    shape, _, dtype = HEADERS[version](file)
    return shape, dtype


NPZ = Format("train.npz and test.npz", is_npz_folder, read_npz_folder)
NPZ_FILE = Format("an npz file of images and labels", is_npz_file, read_npz_file)
