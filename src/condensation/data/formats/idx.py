"""IDX files of MNIST and Fashion-MNIST, plain or gzipped."""

import gzip
import math
import struct
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.core.regular_files import open_regular
from condensation.data.dataset import COPIES, RawData, RawSplit, ReadOptions
from condensation.data.formats.archive import damaged_file, naming_damage
from condensation.data.formats.format import Format

PREFIXES = {"train": "train", "test": "t10k"}
IMAGES, LABELS = "images-idx3", "labels-idx1"
UNSIGNED_BYTES = 8


def is_idx_folder(folder: Path) -> bool:
    """Return whether ``folder`` has the training images."""
    return _idx_path(folder, "train", IMAGES) is not None


def read_idx_folder(folder: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the splits of the four files in ``folder``; if both test files are missing, there is no test split."""
    has_test = any(_idx_path(folder, "test", kind) for kind in (IMAGES, LABELS))
    return RawData(_read_split(folder, "train"), _read_split(folder, "test") if has_test else None)


def read_idx(path: Path, dims: int, count: int | None = None) -> Tensor:
    """Return the uint8 values of an IDX file with ``dims`` dimensions, the first of size ``count``. Raise CondensationError if damaged."""
    with naming_damage(path), open_regular(path) as file:
        content = _read(cast(BinaryIO, gzip.open(file)) if path.suffix == ".gz" else file, dims, count, path)
    return torch.from_numpy(content.copy())


def _read(file: BinaryIO, dims: int, count: int | None, path: Path) -> np.ndarray:
    header = file.read(4 + 4 * dims)
    if len(header) < 4 + 4 * dims or header[:4] != bytes([0, 0, UNSIGNED_BYTES, dims]):
        start = header[:4].hex(" ") or "nothing"
        raise CondensationError(f"{path} is not an IDX file of uint8 in {dims} dimensions: its first bytes are {start}.")
    shape = struct.unpack(f">{dims}I", header[4:])
    size = math.prod(shape)
    if not size or count not in (None, shape[0]):
        raise damaged_file(path, f"its header has the shape {shape}" + (f", and there are {count:,} labels" if count else ""))
    memory.require(size * COPIES, f"Reading {path}")
    content = file.read(size + 1)
    if len(content) != size:
        raise damaged_file(path, f"expected {size:,} bytes, got {f'{len(content):,}' if len(content) < size else 'more'}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_split(folder: Path, split: str) -> RawSplit:
    paths = []
    for kind in (IMAGES, LABELS):
        path = _idx_path(folder, split, kind)
        if path is None:
            raise CondensationError(f"{folder} has IDX files but lacks {PREFIXES[split]}-{kind}-ubyte (or .gz).", hint="Add that file.")
        paths.append(path)
    labels = read_idx(paths[1], 1)  # first, because their number bounds the size of the images
    return RawSplit(read_idx(paths[0], 3, len(labels)).unsqueeze(1), labels.long(), None, str(paths[0]))


def _idx_path(folder: Path, split: str, kind: str) -> Path | None:
    stem = f"{PREFIXES[split]}-{kind}"
    names = [f"{spelling}-ubyte{suffix}" for spelling in (stem, stem.replace("-idx", ".idx")) for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


IDX = Format("IDX files", is_idx_folder, read_idx_folder)
