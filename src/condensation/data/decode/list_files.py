"""Fast listing of folders with very many image files, and search for files that tables name."""

import os
import re
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from condensation.core.errors import CondensationError
from condensation.data.decode.decode import UNREAD, image_suffixes
from condensation.data.own_output import OWN, is_own_folder, is_own_picture

# Folders that archivers, file servers and operating systems create.
FOREIGN = {"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"}

UNNAMED, FEW = "without the ending of an image", 3  # a reason, and the number of such files that are named
MOST_DIGITS = 4000  # compared of a number in a name; Python converts up to 4300


class ListedFile(NamedTuple):
    """A file at the time of listing."""

    path: str  # a string, since creating a pathlib.Path takes longer than listing
    name: str  # printable, relative to the listed folder
    stamp: tuple[int, int, int]  # size in bytes, modification time and change time in nanoseconds


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Return a key that sorts ``class2`` before ``class10``."""
    pieces = re.split(r"(\d+)", name.lower())
    return tuple(int(piece[:MOST_DIGITS]) if place % 2 else piece for place, piece in enumerate(pieces)), name


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder`` that are neither hidden nor `FOREIGN` nor written by this program, in natural order."""
    paths = (path for path in folder.iterdir() if _may_hold_images(path.name) and path.is_dir() and not is_own_folder(path))
    return sorted(paths, key=lambda path: natural_key(path.name))


def list_images(folder: Path, deep: bool = True) -> tuple[list[ListedFile], Counter[str]]:
    """Return the image files in ``folder`` (and below if ``deep``), sorted, and the number of other files by reason."""
    suffixes = image_suffixes()
    files: list[tuple[list[str], ListedFile]] = []
    others: Counter[str] = Counter()
    unnamed: list[str] = []
    waiting = [(str(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not _may_hold_images(entry.name):
                        continue
                    if is_own_folder(entry.path):
                        others[OWN] += 1
                    elif deep:
                        waiting.append((entry.path, name + os.sep))
                elif entry.name.startswith("."):
                    others["hidden"] += 1
                elif (suffix := os.path.splitext(entry.name)[1].lower()) not in suffixes:
                    if suffix in UNREAD:
                        others[UNREAD[suffix]] += 1
                    else:
                        unnamed.append(name)
                elif not (status := _status(entry)):
                    others["not a file, or a broken link"] += 1
                elif is_own_picture(entry.path, entry.name):
                    others[OWN] += 1
                else:
                    files.append((name.split(os.sep), ListedFile(entry.path, printable(name), file_stamp(status))))
    if unnamed:
        which = f" ({', '.join(map(printable, sorted(unnamed)))})" if len(unnamed) <= FEW else ""
        others[f"{UNNAMED}{which}"] = len(unnamed)
    return [file for _, file in sorted(files, key=lambda pair: pair[0])], others


def with_few_names(others: Counter[str]) -> Counter[str]:
    """Return the number of files by reason in several folders, where files are named only if all of that reason are few."""
    unnamed = {reason: count for reason, count in others.items() if reason.startswith(UNNAMED)}
    total = sum(unnamed.values())
    if total <= FEW or len(unnamed) < 2:
        return others
    return Counter({reason: count for reason, count in others.items() if reason not in unnamed} | {UNNAMED: total})


def stat_file(path: Path, name: str) -> ListedFile:
    """Return the file at ``path`` under ``name``. Raise OSError if it does not exist, or is not a regular file."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    return ListedFile(str(path), printable(name), file_stamp(status))


def file_stamp(status: os.stat_result) -> tuple[int, int, int]:
    """Return values that change with the file."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _may_hold_images(name: str) -> bool:
    return not name.startswith(".") and name not in FOREIGN


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of ``entry``, or None if it is not a regular file, or a broken link."""
    with suppress(OSError):
        status = entry.stat()
        return status if S_ISREG(status.st_mode) else None
    return None


def printable(name: str) -> str:
    """Return ``name`` with undecodable bytes replaced, so that it can be printed and stored."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


@dataclass
class FileFinder:
    """Finder of files whose paths have backslashes, or lack the ending."""

    folder: Path
    listings: dict[Path, dict[str, list[str]]] = field(default_factory=dict)  # per folder: file names by their stem

    def find(self, text: str) -> ListedFile:
        """Return the file of the path ``text``. Raise OSError or ValueError if there is none, CondensationError if several fit."""
        spellings = [text, text.replace("\\", "/")] if "\\" in text else [text]
        for name in spellings:
            with suppress(FileNotFoundError, NotADirectoryError):
                return stat_file(self.folder / name, name)
        path = self.folder / spellings[-1]
        if path.parent not in self.listings:
            names: dict[str, list[str]] = defaultdict(list)
            for entry in sorted(os.listdir(path.parent)):
                stem, suffix = os.path.splitext(entry)
                if suffix.lower() in image_suffixes():
                    names[stem].append(entry)
            self.listings[path.parent] = names
        fitting = self.listings[path.parent].get(path.name, [])
        if len(fitting) > 1:
            raise CondensationError(f"{printable(text)} may be {' or '.join(fitting)}.", hint="Write the paths with their endings.")
        return stat_file(path.with_name(fitting[0]) if fitting else path, text)
