"""``train.npz`` and ``test.npz``, or one such file: images, labels and perhaps class names, as numpy saves them."""

from __future__ import annotations

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
from condensation.data.dataset import COPIES, Format, Part, Parts, ReadOptions

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def holds_npz(folder: Path) -> bool:
    """Whether ``folder`` has ``train.npz``."""
    return (folder / "train.npz").is_file()


def read_npz_folder(folder: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """``train.npz`` and, if it is there, ``test.npz``."""
    test = folder / "test.npz"
    return Parts(read_npz(folder / "train.npz"), read_npz(test) if test.is_file() else None)


def holds_npz_file(path: Path) -> bool:
    """Whether ``path`` is a file of numpy arrays."""
    return path.suffix.lower() == ".npz" and path.is_file()


def read_npz_file(path: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """The images of a file, of which a part is then set aside for the test; of ``train.npz``, with ``test.npz`` beside it."""
    return read_npz_folder(path.parent) if path.name == "train.npz" else Parts(read_npz(path), None)


def read_npz(path: Path) -> Part:
    """``images`` (n, h, w[, c]), ``labels`` (n,) and perhaps ``class_names`` (classes,).

    Raises:
        CondensationError: if the file is damaged, lacks one of these, or holds Python objects, which could run code.
        NotEnoughMemory: if what its headers promise would not fit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name.removesuffix(".npy") for name in archive.namelist()}
            for key in ("images", "labels"):
                if key not in found:
                    raise CondensationError(f"{path} has no {key!r}; it must hold 'images' and 'labels', and may hold 'class_names'.")
            images, labels = _read(archive, "images", path), _read(archive, "labels", path)
            names = _read(archive, "class_names", path) if "class_names" in found else None
    except (OSError, EOFError, RuntimeError, NotImplementedError, KeyError, zipfile.BadZipFile, zlib.error) as problem:
        raise CondensationError(f"{path} is damaged or truncated: {problem}.\nGet or make the file again.") from problem
    class_names = None if names is None else tuple(str(name) for name in names.reshape(-1).tolist())
    return Part(as_pixels(images, str(path)), as_labels(labels, str(path)), class_names, str(path))


def _read(archive: zipfile.ZipFile, key: str, path: Path) -> np.ndarray:
    member = f"{key}.npy" if f"{key}.npy" in archive.namelist() else key
    try:
        with archive.open(member) as file:
            shape, dtype = _header(file)
        if dtype.hasobject:
            raise CondensationError(f"{key!r} in {path} holds Python objects, which could run code and are not read; save plain arrays.")
        memory.require(math.prod(shape) * dtype.itemsize * COPIES, f"Reading {path}", "Use fewer or smaller images.")
        with archive.open(member) as file:
            array: np.ndarray = npy.read_array(file, allow_pickle=False)
            file.read()  # the checksum is looked at when the end is reached
    except (CondensationError, MemoryError):
        raise
    except Exception as problem:  # numpy's reader raises errors of many types on damaged headers
        raise CondensationError(f"{key!r} in {path} is damaged or truncated: {problem}.\nGet or make the file again.") from problem
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the array format is not known")
    shape, _, dtype = HEADERS[version](file)
    return shape, dtype


NPZ = Format("train.npz and test.npz", holds_npz, read_npz_folder)
NPZ_FILE = Format("an npz file of images and labels", holds_npz_file, read_npz_file)
