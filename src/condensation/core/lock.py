"""Locks between processes and threads; the system frees those of a process that dies."""

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from condensation.core.errors import CondensationError, NotWritten

logger = logging.getLogger(__name__)

LOCK = ".lock"  # file name in a folder, or suffix beside it; exists while a process writes there
SHOWN = 200  # characters of the holder in messages


_joined = False  # whether the processes of torchrun work together, so that one of them writes


def set_joined(joined: bool) -> None:
    """Allow or refuse locks where torchrun has started several processes; see `core.team`."""
    global _joined
    _joined = joined


def is_silent(error: BaseException) -> bool:
    """Return whether another process of torchrun reports ``error``: the first one, unless only this process knows it."""
    rank = os.environ.get("RANK", "0") if os.environ.get("WORLD_SIZE", "1") not in ("", "1") else "0"
    return rank not in ("", "0") and bool(getattr(error, "reported", not _joined))


@contextmanager
def locked_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Create ``folder`` and lock it; remove new folders that stay empty. Raise NotWritten if that is impossible; see `locked_beside`."""
    if not _joined and (processes := os.environ.get("WORLD_SIZE", "1")) not in ("", "1"):  # of torchrun; all of them would write here
        hint = "Start it without torchrun, or unset WORLD_SIZE; a run of one method can share its work."
        raise CondensationError(f"WORLD_SIZE says that {processes} processes work on this; one is supported.", hint=hint)
    if folder.exists() and not folder.is_dir():
        raise CondensationError(f"{folder} is a file.", hint="Choose a folder (out=...).", setting="out")
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _acquired(folder / LOCK, folder, wait)
    except OSError as error:
        raise NotWritten(folder, error, "") from error
    try:
        yield
    finally:
        _release(folder / LOCK, handle)
        with suppress(OSError):  # it is not empty
            for place in new:
                place.rmdir()


@contextmanager
def locked_beside(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock ``path`` by a file beside it; wait for its holder, or raise CondensationError. Raise OSError if the file cannot be created."""
    lock = lock_beside(path)
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquired(lock, path, wait)
    try:
        yield
    finally:
        _release(lock, handle)


def lock_beside(path: Path) -> Path:
    """Return the lock file of ``path`` in its parent folder."""
    path = Path(os.path.abspath(path))  # "." has no name
    return path.parent / f".{path.name}{LOCK}"


def remove_free(lock: Path) -> None:
    """Remove the lock file that a process left which was killed at its end; one that is held stays."""
    if lock.exists():
        with suppress(OSError, CondensationError):
            _release(lock, _acquired(lock, lock, wait=False))


@contextmanager
def marked(path: Path) -> Iterator[bool | None]:
    """Lock an existing file or folder itself; yield False if another process or thread has done so, None if locks are not supported."""
    if sys.platform == "win32":
        yield None
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        yield flock(handle)
    finally:
        os.close(handle)


def _acquired(lock: Path, place: Path, wait: bool) -> int:
    """Return the open and locked file ``lock`` of ``place``."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if flock(handle) is False:
                holder = _holder(lock)
                if not wait:
                    hint = "Wait for it, or choose another folder (out=...)."
                    raise CondensationError(f"{place} is in use by {holder}.", hint=hint, setting="out")
                logger.warning(f"Waiting for {place}, which is in use by {holder}.")
                flock(handle, wait=True)
            if is_at(lock, handle):
                with suppress(OSError):  # the disk may be full; the text only serves messages
                    os.ftruncate(handle, 0)
                    since = time.strftime("%Y-%m-%d %H:%M:%S")
                    os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the process that held the lock has removed the file


def _release(lock: Path, handle: int) -> None:
    try:
        with suppress(OSError):  # Windows removes no open file
            lock.unlink()
    finally:
        os.close(handle)


def flock(handle: int, wait: bool = False) -> bool | None:
    """Lock an open file; return False if another holds it, and None if the system or the file system has no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a network file system
        return None
    return True


def _holder(lock: Path) -> str:
    try:
        text = lock.read_text(encoding="utf-8", errors="replace")[:SHOWN]
    except OSError:
        text = ""
    return "".join(filter(str.isprintable, text)) or "another process"


def is_at(path: Path, handle: int) -> bool:
    """Return whether ``path`` is still the open file ``handle``."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
