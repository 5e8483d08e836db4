"""IDX files of MNIST and Fashion-MNIST, plain or gzipped."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.data.dataset import COPIES, Format, RawData, RawSplit, ReadOptions
from condensation.data.formats.archive import FREE_MEMORY, damaged_file

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


def read_idx(path: Path, dims: int) -> Tensor:
    """Return the uint8 values of an IDX file with ``dims`` dimensions; raise CondensationError if its header or length is wrong."""
    try:
        with _open(path) as file:
            shape = _read_header(file, dims, path)
            memory.require(math.prod(shape) * COPIES, f"Reading {path}", FREE_MEMORY)
            content = file.read(math.prod(shape) + 1)
    except (OSError, EOFError, OverflowError, zlib.error) as problem:
        raise damaged_file(path, problem) from problem
    if len(content) != math.prod(shape):
        actual = f"{len(content):,}" if len(content) < math.prod(shape) else "more"
        raise damaged_file(path, f"expected {math.prod(shape):,} bytes, got {actual}")
    return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(shape).copy())


def _read_split(folder: Path, split: str) -> RawSplit:
    paths = []
    for kind in (IMAGES, LABELS):
        path = _idx_path(folder, split, kind)
        if path is None:
            raise CondensationError(f"{folder} has IDX files but lacks {PREFIXES[split]}-{kind}-ubyte (or .gz).", hint="Add that file.")
        paths.append(path)
    return RawSplit(read_idx(paths[0], 3).unsqueeze(1), read_idx(paths[1], 1).long(), None, str(paths[0]))


def _idx_path(folder: Path, split: str, kind: str) -> Path | None:
    stem = f"{PREFIXES[split]}-{kind}"
    names = [f"{spelling}-ubyte{suffix}" for spelling in (stem, stem.replace("-idx", ".idx")) for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_header(file: BinaryIO, dims: int, path: Path) -> tuple[int, ...]:
    header = file.read(4 + 4 * dims)
    if len(header) < 4 + 4 * dims or header[:4] != bytes([0, 0, UNSIGNED_BYTES, dims]):
        start = header[:4].hex(" ") or "nothing"
        raise CondensationError(f"{path} is not an IDX file of uint8 in {dims} dimensions: its first bytes are {start}.")
    return struct.unpack(f">{dims}I", header[4:])


IDX = Format("IDX files", is_idx_folder, read_idx_folder)
