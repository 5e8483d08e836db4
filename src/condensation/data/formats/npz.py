"""NumPy archives with images, labels and optional class names: ``train.npz`` and ``test.npz``, or one file."""

import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.core.text import joined
from condensation.data.arrays import as_pixels
from condensation.data.dataset import COPIES, RawData, RawSplit, ReadOptions
from condensation.data.formats.archive import naming_damage
from condensation.data.formats.array_names import find_arrays
from condensation.data.formats.format import Format
from condensation.data.labels import are_strings, encode_labels
from condensation.data.parts import TRAIN_NAMES, part_kind, require_parts

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def is_npz_folder(folder: Path) -> bool:
    """Return whether ``folder`` has ``train.npz``, or that part under another usual name."""
    return folder.is_dir() and any(part_kind(file.stem) in TRAIN_NAMES for file in folder.glob("*.npz"))


def read_npz_folder(folder: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the splits of ``train.npz`` and, if it exists, ``test.npz``; ``options`` may name other files as the parts."""
    files = {file.stem: file for file in sorted(folder.glob("*.npz"))}
    parts = require_parts(files, options, str(folder))
    test, note = parts.choose_test()
    options = replace(options, train=None, test=None)
    raw = read_npz(files[parts.train], options)
    return replace(raw, test=read_npz(files[test], options).train if test else raw.test, note=joined(raw.note, note))


def is_npz_file(path: Path) -> bool:
    """Return whether ``path`` is an npz file, from its name alone."""
    return path.suffix.lower() == ".npz" and path.is_file()


def read_npz_file(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the splits of one file; for ``train.npz`` beside ``test.npz``, those of both."""
    return read_npz_folder(path.parent, options) if path.name == "train.npz" else read_npz(path, options)


def read_npz(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the splits of a file with images (n, h, w[, c]), labels (n,) or one-hot, and optional class names (classes,).

    `condensation.data.formats.array_names` lists the names of arrays. Raise CondensationError if the file is damaged, lacks an array, or
    contains Python objects, which could run code, and NotEnoughMemory if the sizes in its headers do not fit.
    """
    with naming_damage(path), zipfile.ZipFile(path) as archive:
        names = find_arrays([name.removesuffix(".npy") for name in archive.namelist()], options, str(path))
        arrays = {key: _read_array(archive, key, path) for key in (*names.train, *(names.test or ()))}
        listed = _texts(_read_array(archive, names.class_names, path)) if names.class_names else None
    class_names = None if listed is None else tuple(map(str, listed.reshape(-1).tolist()))

    def split(keys: tuple[str, str], origin: str) -> RawSplit:
        labels, texts = _texts(arrays[keys[1]]), are_strings(_texts(arrays[names.train[1]]))
        numbers, text_names = encode_labels(labels, origin, class_names, texts)
        return RawSplit(as_pixels(arrays[keys[0]], origin), numbers, class_names or text_names, origin)

    test = split(names.test, f"{names.test[0]} of {path}") if names.test else None
    return RawData(split(names.train, str(path)), test, names.note)


def _texts(array: np.ndarray) -> np.ndarray:
    """Return ``array`` with bytes decoded as UTF-8."""
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def _read_array(archive: zipfile.ZipFile, key: str, path: Path) -> np.ndarray:
    member = f"{key}.npy" if f"{key}.npy" in archive.namelist() else key
    with naming_damage(f"{key!r} in {path}"):
        if archive.namelist().count(member) > 1:
            raise ValueError("there are two arrays of that name")
        with archive.open(member) as file:
            shape, dtype = _read_header(file)
        if dtype.hasobject:
            raise CondensationError(f"{key!r} in {path} contains Python objects, which could run code.", hint="Save plain arrays.")
        memory.require(math.prod(shape) * dtype.itemsize * COPIES, f"Reading {path}")
        with archive.open(member) as file:
            array: np.ndarray = npy.read_array(file, allow_pickle=False)
            if file.read(1):  # zipfile verifies its checksum at the end
                raise ValueError(f"there are more bytes than the {array.nbytes:,} that its header promises")
    return array


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"unknown version {version} of the array format")
    shape, _, dtype = HEADERS[version](file)
    return shape, dtype


NPZ = Format("train.npz and test.npz", is_npz_folder, read_npz_folder, has_parts=True)
NPZ_FILE = Format("an npz file of images and labels", is_npz_file, read_npz_file, has_parts=True)
