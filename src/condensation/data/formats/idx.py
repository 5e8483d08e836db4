"""The IDX files of MNIST and Fashion-MNIST, plain or gzipped."""

from __future__ import annotations

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
from condensation.data.dataset import COPIES, Format, Part, Parts, ReadOptions

PREFIXES = {"train": "train", "test": "t10k"}
UNSIGNED_BYTES = 8


def holds_idx(folder: Path) -> bool:
    """Whether ``folder`` has the training images."""
    return _find(folder, "train", "images-idx3") is not None


def read_idx_folder(folder: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """The four files of ``folder``; without both test files there is no test part."""
    test = (
        None
        if _find(folder, "test", "images-idx3") is None and _find(folder, "test", "labels-idx1") is None
        else _read_part(folder, "test")
    )
    return Parts(_read_part(folder, "train"), test)


def read_idx(path: Path, dims: int) -> Tensor:
    """The bytes in an IDX file of ``dims`` dimensions, in its shape.

    Raises:
        CondensationError: if it is no such file, or its length is not what its header says.
        NotEnoughMemory: if what the header promises would not fit.
    """
    try:
        with _open(path) as file:
            shape = _read_header(file, dims, path)
            memory.require(math.prod(shape) * COPIES, f"Reading {path}", "Close other programs, or use a machine with more memory.")
            values = np.empty(shape, dtype=np.uint8)
            count = _fill(file, values.reshape(-1).data)
            more = bool(file.read(1))
    except (OSError, EOFError, zlib.error) as problem:
        raise CondensationError(f"{path} is damaged or truncated: {problem}.\nGet the file again.") from problem
    if count < values.size or more:
        found = "more" if more else f"{count:,}"
        raise CondensationError(
            f"{path} is damaged or truncated: its header says {values.size:,} bytes, there are {found}.\nGet the file again."
        )
    return torch.from_numpy(values)


def _read_part(folder: Path, part: str) -> Part:
    paths = []
    for kind in ("images-idx3", "labels-idx1"):
        path = _find(folder, part, kind)
        if path is None:
            raise CondensationError(f"{folder} lacks {PREFIXES[part]}-{kind}-ubyte (or .gz), which belongs to the IDX files there.")
        paths.append(path)
    return Part(read_idx(paths[0], 3).unsqueeze(1), read_idx(paths[1], 1).long(), None, str(paths[0]))


def _find(folder: Path, part: str, kind: str) -> Path | None:
    stem = f"{PREFIXES[part]}-{kind}"
    names = [f"{stem}-ubyte", f"{stem}-ubyte.gz", f"{stem.replace('-idx', '.idx')}-ubyte", f"{stem.replace('-idx', '.idx')}-ubyte.gz"]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_header(file: BinaryIO, dims: int, path: Path) -> tuple[int, ...]:
    header = file.read(4 + 4 * dims)
    if len(header) < 4 + 4 * dims or header[:4] != bytes([0, 0, UNSIGNED_BYTES, dims]):
        raise CondensationError(
            f"{path} is not an IDX file of bytes in {dims} dimensions: it begins with {header[:4].hex(' ') or 'nothing'}."
        )
    return struct.unpack(f">{dims}I", header[4:])


def _fill(file: BinaryIO, target: memoryview) -> int:
    """Read into ``target`` until it is full or the file ends; how many bytes that were."""
    filled = 0
    while filled < len(target):
        count = cast(int, file.readinto(target[filled : filled + (1 << 24)]))  # type: ignore[attr-defined]
        if not count:
            break
        filled += count
    return filled


IDX = Format("IDX files", holds_idx, read_idx_folder)
