"""Reading of files that a user or another file names: pipes, sockets and devices, which may never end, are refused."""

import os
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

LARGEST_TEXT = 20_000_000  # bytes of a record or settings, which take a hundred times as much memory once they are parsed
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # without O_NONBLOCK, opening a pipe waits for a writer


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file, or a link to one, for reading. Raise OSError for anything else, without waiting."""
    handle = os.open(path, _FLAGS)
    if not S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("it is not a regular file")
    return os.fdopen(handle, "rb")


def read_regular(path: str | Path, largest: int) -> bytes:
    """Return the content of a regular file. Raise OSError if it has more than ``largest`` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise OSError(f"it has {size:,} bytes, expected at most {largest:,}")
        return file.read(size)  # no more than its size, because files of /proc may never end


def read_text(path: str | Path, encoding: str = "utf-8", largest: int = LARGEST_TEXT) -> str:
    """Return the text in a regular file. Raise OSError if it has more than ``largest`` bytes, and UnicodeDecodeError if it is not text."""
    return read_regular(path, largest).decode(encoding)
