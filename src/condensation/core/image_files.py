"""Reading of images by number from files that hold one after the other."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Event, Lock, Thread, current_thread

import numpy as np

from condensation.core.errors import CondensationError
from condensation.core.read_ahead import ReadAhead

AT_ONCE = 2**26  # bytes of one call where the system has no positions per call
ENDING = Event()  # set when the program ends: checks in the background stop at their next read
_checks: weakref.WeakSet[Thread] = weakref.WeakSet()


@dataclass(frozen=True)
class Block:
    """Images one after the other in a file, uint8 (count, channels, height, width)."""

    path: str
    offset: int
    """Place of the first byte."""
    count: int
    channels: int
    """1 in a colour set as well if all images of the block are grey."""


class ImageFiles:
    """Images in blocks, numbered in order from 0. Threads and forked processes may read at the same time.

    Files are read instead of mapped: this works within a limit of address space, and a file that is cut short is an error, not a crash.
    """

    def __init__(self, blocks: Sequence[Block], shape: tuple[int, int, int]) -> None:
        self.blocks, self.shape = tuple(blocks), shape
        self._starts = np.cumsum([0, *(block.count for block in self.blocks)])
        self._handles: dict[str, int] = {}
        self._lock = Lock()
        self.ahead = ReadAhead()
        self._check: Callable[[], None] | None = None
        self._damage: CondensationError | None = None
        weakref.finalize(self, _close, self._handles)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, numbers: np.ndarray, images: np.ndarray | None = None) -> np.ndarray:
        """Return the images at ``numbers`` (n,): uint8 (n, c, h, w), in the array ``images`` if it is given.

        Raise CondensationError if a file cannot be read, or was found to be damaged; see `check_in_background`.
        """
        if self._damage:
            raise self._damage
        if ENDING.is_set() and current_thread() in _checks:
            raise CondensationError("The program ends.")
        images = np.empty((len(numbers), *self.shape), dtype=np.uint8) if images is None else images
        order = None if bool((numbers[1:] >= numbers[:-1]).all()) else np.argsort(numbers, kind="stable")
        for place, block, first, count in self._runs(numbers if order is None else numbers[order]):
            first_place = place if order is None else int(order[place])
            together = order is None or count == 1  # in the result, not only in the file
            target = images[first_place : first_place + count] if together else np.empty((count, *self.shape), dtype=np.uint8)
            if block.channels == self.shape[0]:
                self._read(target, block, first)
            else:
                target[:] = self._read(np.empty((count, block.channels, *self.shape[1:]), dtype=np.uint8), block, first)
            if order is not None and not together:
                images[order[place : place + count]] = target
        return images

    def open(self) -> None:
        """Open all files, so that they can be read even if they are removed. Raise CondensationError if one cannot be opened."""
        for path in dict.fromkeys(block.path for block in self.blocks):
            try:
                self._handle(path)
            except OSError as error:
                raise CondensationError(f"{path} cannot be read: {error.strerror or error}.") from error

    def check_in_background(self, check: Callable[[], None]) -> None:
        """Let a thread call ``check`` once images are read ahead, which is in a run; later reads raise its CondensationError.

        When the program ends, the next read of ``check`` raises; it should wait for `ENDING` where it pauses.
        """
        self._check = check

    def start_check(self) -> None:
        """Start the check of `check_in_background` if there is one that has not started."""
        check, self._check = self._check, None
        if check:
            thread = Thread(target=self._run_check, args=(check,), name="digests", daemon=True)
            _checks.add(thread)
            thread.start()

    def _run_check(self, check: Callable[[], None]) -> None:
        try:
            check()
        except CondensationError as error:
            self._damage = error

    def _runs(self, numbers: np.ndarray) -> Iterator[tuple[int, Block, int, int]]:
        """Yield place, block, first image within the block and count of images that lie one after the other; ``numbers`` are sorted."""
        blocks = np.searchsorted(self._starts, numbers, side="right") - 1
        ends = np.flatnonzero((np.diff(numbers) != 1) | (np.diff(blocks) != 0)) + 1
        bounds = [0, *ends.tolist(), len(numbers)]
        for place, end in pairwise(bounds):
            if place < end:
                index = int(blocks[place])
                yield place, self.blocks[index], int(numbers[place] - self._starts[index]), end - place

    def _read(self, target: np.ndarray, block: Block, first: int) -> np.ndarray:
        """Fill ``target`` (n, ...) with the images of ``block`` from ``first`` on."""
        view = target.data.cast("B")
        offset = block.offset + first * (len(view) // len(target))
        try:
            handle = self._handle(block.path)
            while view:
                count = self._read_part(handle, view, offset)
                if not count:
                    raise CondensationError(f"{block.path} is cut short.", hint="Restore it from a backup, or pack the images again.")
                view, offset = view[count:], offset + count
        except OSError as error:
            raise CondensationError(f"{block.path} cannot be read: {error.strerror or error}.") from error
        return target

    def _read_part(self, handle: int, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(handle, [view], offset)
        with self._lock:  # Windows has one position for all threads
            os.lseek(handle, offset, os.SEEK_SET)
            content = os.read(handle, min(len(view), AT_ONCE))
        view[: len(content)] = content
        return len(content)

    def _handle(self, path: str) -> int:
        with self._lock:
            if path not in self._handles:
                self._handles[path] = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            return self._handles[path]


@atexit.register
def _end_checks() -> None:
    """Wait until all checks have stopped: Python aborts if one calls torch while the interpreter is taken down."""
    ENDING.set()
    for thread in list(_checks):
        if thread.ident is not None:
            thread.join()


def _close(handles: dict[str, int]) -> None:
    for handle in handles.values():
        os.close(handle)
