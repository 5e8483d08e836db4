"""A small file system for a folder, in the mount namespace of this process alone."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_NAMESPACE, PRIVATE, RECURSIVE, REMOUNT, READ_ONLY, DETACH = 0x20000, 0x40000, 0x4000, 0x20, 0x1, 0x2
ROOM = 100_000  # KiB
_libc = ctypes.CDLL(None, use_errno=True)
_unshared: list[int] = []  # the process that has its own namespace


class NoMounts(Exception):
    """The system does not allow mounts to this user."""


def _call(result: int) -> None:
    if result:
        raise NoMounts(os.strerror(ctypes.get_errno()))


def _mount(folder: Path, flags: int, options: str) -> None:
    _call(_libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()))


class SmallDisk:
    """A mounted file system, whose size can be changed, and which can be made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, kibibytes: int) -> None:
        _mount(self.folder, REMOUNT, f"size={kibibytes}k")

    def forbid_writing(self) -> None:
        _mount(self.folder, REMOUNT | READ_ONLY, f"size={ROOM}k")


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount an empty file system over ``folder``. Raise NoMounts where only an administrator may."""
    if os.getpid() not in _unshared:
        if not hasattr(_libc, "unshare"):
            raise NoMounts("not Linux")
        _call(_libc.unshare(NEW_NAMESPACE))
        _call(_libc.mount(b"none", b"/", None, PRIVATE | RECURSIVE, None))
        _unshared.append(os.getpid())
    _mount(folder, 0, f"size={ROOM}k")
    try:
        yield SmallDisk(folder)
    finally:
        _libc.umount2(os.fsencode(folder), DETACH)
