"""Which files there are in a folder of images: found quickly, since there may be very many."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from condensation.data.decode.decode import endings

# What unpacking, file servers and disks leave beside a person's own folders.
FOREIGN = {"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"}


class File(NamedTuple):
    """A file as it was when it was listed."""

    path: str  # a pathlib.Path of each of very many files would take longer than finding them
    name: str  # relative to the folder that was listed, as it can be shown
    stamp: tuple[int, int, int]  # size in bytes, and when it was last written and last changed, in nanoseconds


def natural(name: str) -> tuple[tuple[str | int, ...], str]:
    """A key that sorts ``class2`` before ``class10``."""
    parts: list[str | int] = list(re.split(r"(\d+)", name.lower()))
    parts[1::2] = [int(number) for number in parts[1::2]]
    return tuple(parts), name


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder`` that are neither hidden nor `FOREIGN`, in natural order."""
    found = (path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in FOREIGN and path.is_dir())
    return sorted(found, key=lambda path: natural(path.name))


def image_files(folder: Path, deep: bool = True) -> tuple[list[File], Counter[str]]:
    """The image files in ``folder``, and below it if ``deep``, in order; and how many other files there are, by why they are none."""
    readable = endings()
    found: list[tuple[list[str], File]] = []
    others: Counter[str] = Counter()
    waiting = [(str(folder), "")]
    while waiting:
        place, below = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name = below + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if deep and not entry.name.startswith(".") and entry.name not in FOREIGN:
                        waiting.append((entry.path, name + os.sep))
                elif entry.name.startswith("."):
                    others["hidden"] += 1
                elif os.path.splitext(entry.name)[1].lower() not in readable:
                    others["no image by its name"] += 1
                elif about := _about(entry):
                    found.append((name.split(os.sep), File(entry.path, shown(name), stamp(about))))
                else:
                    others["no file, or a broken link"] += 1
    return [file for _, file in sorted(found, key=lambda one: one[0])], others


def listed(path: Path, name: str) -> File:
    """The file at ``path``, under ``name``.

    Raises:
        OSError: if there is none.
    """
    return File(str(path), shown(name), stamp(path.stat()))


def stamp(stat: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _about(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None if ``entry`` is no file, or a link to nothing."""
    try:
        about = entry.stat()
    except OSError:
        return None
    return about if S_ISREG(about.st_mode) else None


def shown(name: str) -> str:
    """``name`` with what is no text in it, as in names of other systems' making, replaced: it can then be printed and kept."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")
