"""Kill a piece of work before any of its changes of files, in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """End of a killed process; nothing catches it, and files cannot be changed any more until the block has ended."""


@dataclass
class _Watched:
    folder: str
    at: int | None
    error: int | None = None
    """Number of the system's error that additions raise instead; None to be killed."""
    seen: int = 0


_watched: _Watched | None = None
_hooked = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None or (event not in CHANGES and event != "open") or not arguments:
        return
    if event == "open" and not arguments[2] & WRITING:
        return
    if isinstance(arguments[0], int) or not os.fsdecode(arguments[0]).startswith(_watched.folder):
        return
    _watched.seen += 1
    if _watched.at is None or _watched.seen < _watched.at:
        return
    if _watched.error is None:
        raise Killed(f"before {event} of {arguments[0]}")
    if event in ("open", "os.mkdir"):  # a full disk refuses no removal
        raise OSError(_watched.error, os.strerror(_watched.error), os.fsdecode(arguments[0]))


@contextmanager
def _watching(folder: Path, at: int | None, error: int | None = None) -> Iterator[_Watched]:
    global _watched, _hooked
    if not _hooked:
        sys.addaudithook(_hook)  # cannot be removed
        _hooked = True
    _watched = _Watched(str(folder), at, error)
    try:
        yield _watched
    finally:
        _watched = None


def changes(folder: Path, work: Callable[[], object]) -> int:
    """Do ``work`` and return the number of changes below ``folder``."""
    with _watching(folder, None) as watched:
        work()
    return watched.seen


def kill_before(folder: Path, at: int, work: Callable[[], object]) -> bool:
    """Do ``work`` and kill it before its change number ``at`` below ``folder``, counted from 1; return False if it ended before."""
    with _watching(folder, at):
        try:
            work()
        except Killed:
            return True
    return False


@contextmanager
def failing_from(folder: Path, at: int, error: int) -> Iterator[None]:
    """Refuse new files and folders below ``folder`` from its change number ``at``, with the system's ``error``."""
    with _watching(folder, at, error):
        yield


def leftovers(folder: Path) -> list[str]:
    """Return the names of locks and unfinished files below ``folder``."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name.endswith((".lock", ".unfinished", ".part"))]
