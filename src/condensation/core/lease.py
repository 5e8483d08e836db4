"""Leases: marks of who does a piece of work, for processes on several hosts that share a folder.

A lock (`condensation.core.lock`) ends with its process, but not every shared file system passes locks on to other hosts. A lease is a
file that its holder renews, so that others can tell that the holder is gone.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from condensation.core.lock import flock, is_at

RENEWED = 15.0  # seconds between two renewals
STALE = 120.0  # seconds without a renewal after which a lease is taken over; clocks of hosts may differ by less than that
SETTLING = 1.0  # seconds in which others that take over the same lease become visible where the file system has no locks
WRITING = 5.0  # seconds for which a lease may be empty, because its holder has just created it


@dataclass(frozen=True)
class Holder:
    """Process that holds a lease."""

    host: str
    pid: int
    since: str
    token: str = ""  # tells two leases of the same process apart

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


@contextmanager
def leased(path: Path) -> Iterator[Holder | None]:
    """Hold the lease ``path`` during the block and yield None; if another process or thread holds it, yield its `Holder`.

    A lease whose holder is gone from this host, or has not renewed it for `STALE` seconds, is taken over. Raise OSError if the file
    cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquire(path)
    if isinstance(handle, Holder):
        yield handle
        return
    done = threading.Event()
    threading.Thread(target=_renew, args=(path, handle, done), daemon=True).start()
    try:
        yield None
    finally:
        done.set()
        try:
            if is_at(path, handle):  # else another has taken it over
                with suppress(OSError):
                    path.unlink()
        finally:
            os.close(handle)


def lease_holder(path: Path) -> Holder | None:
    """Return the process that holds the lease ``path``; None if nobody does."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        return _holder(path, handle)
    finally:
        os.close(handle)


def remove_stale(folder: Path) -> None:
    """Remove the leases in ``folder`` that nobody holds, and the folder if it is empty then."""
    if not folder.is_dir():
        return
    for path in folder.glob("*.lease"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if _holder(path, handle) is None and is_at(path, handle):  # the lock keeps others away meanwhile
                    path.unlink()
            finally:
                os.close(handle)
    with suppress(OSError):  # it is not empty
        folder.rmdir()


def _acquire(path: Path) -> int | Holder:
    """Return the open lease, or its holder."""
    with suppress(FileExistsError):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            flock(handle)
            _write(handle)
        except BaseException:
            os.close(handle)
            raise
        return handle
    try:
        before = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # its holder has just ended
        return _acquire(path)
    try:
        return _holder(path, before) or _take_over(path)  # the lock on the old file keeps others away meanwhile
    finally:
        os.close(before)


def _take_over(path: Path) -> int | Holder:
    """Replace a stale lease; return the new one, or the holder if another process was faster."""
    new = path.with_suffix(f".{uuid4().hex[:8]}{path.suffix}")
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        locked = flock(handle)
        _write(handle)
        os.replace(new, path)
        if locked is None:
            time.sleep(SETTLING)
            if not is_at(path, handle):
                os.close(handle)
                return _read(path) or _unknown()
    except BaseException:
        os.close(handle)
        with suppress(OSError):
            new.unlink()
        raise
    return handle


def _holder(path: Path, handle: int) -> Holder | None:
    """Return the holder of the open lease ``path``; None if it is gone. The lock of a lease that is free stays with ``handle``."""
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    holder = _read(path)
    if holder is None:
        return None if age > WRITING else _unknown()
    if holder.host != socket.gethostname():
        return holder if age < STALE else None
    free = flock(handle)
    if free is None:  # no locks here
        return holder if age < STALE and _runs(holder.pid) else None
    if free and is_at(path, handle):
        return None
    return holder


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _unknown() -> Holder:
    return Holder("an unknown host", 0, "now")


def _write(handle: int) -> None:
    holder = Holder(socket.gethostname(), os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S"), uuid4().hex[:8])
    os.write(handle, json.dumps(asdict(holder)).encode())


def _renew(path: Path, handle: int, done: threading.Event) -> None:
    while not done.wait(RENEWED):
        with suppress(OSError):
            if is_at(path, handle):
                os.utime(path)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
