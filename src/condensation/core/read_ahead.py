"""Reading of the images of a run's next step by a thread, while this step computes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from condensation.core import memory

MOST = 2**28  # bytes of one draw that are kept; of larger ones, the system keeps in its memory of files what fits
FREE_SHARE = 1 / 8  # of the free memory that one draw may take
DRAWS = 4  # kept or read at a time; a step may have several
WARMED = 2**24  # bytes read at a time that are not kept

Gather = Callable[[np.ndarray, np.ndarray], np.ndarray]  # numbers of images, and where they are written


@dataclass(frozen=True, eq=False)
class _Draw:
    numbers: np.ndarray
    images: Tensor  # on the CPU; pinned for a GPU


class ReadAhead:
    """Images of the draws of the next step. What was read ahead and what is read when it is needed are the same bytes."""

    def __init__(self) -> None:
        self._draws: list[Future[_Draw | None]] = []

    def start(self, gather: Gather, numbers: Callable[[], np.ndarray], shape: tuple[int, int, int], *, pinned: bool) -> None:
        """Let a thread read the images at ``numbers()`` with ``gather``, into pinned memory if it is for a GPU.

        Do nothing if it is still busy with earlier ones.
        """
        if sum(not draw.done() for draw in self._draws) < DRAWS // 2:
            while len(self._draws) >= DRAWS or sum(map(_kept_bytes, self._draws)) > MOST:
                self._draws.pop(0)  # it is not needed any more
            self._draws = [*self._draws, _thread().submit(_read, gather, numbers, shape, pinned)]

    def take(self, numbers: np.ndarray) -> Tensor | None:
        """Return the images at ``numbers`` if they were read ahead one after the other, else None; the last ones end their draw."""
        for future in [draw for draw in self._draws if draw.done() and not draw.exception()]:
            draw = future.result()
            if draw is None or not len(numbers):
                continue
            place = int((draw.numbers == numbers[0]).argmax())
            if np.array_equal(draw.numbers[place : place + len(numbers)], numbers):
                if place + len(numbers) == len(draw.numbers):
                    self._draws.remove(future)
                return draw.images[place : place + len(numbers)]
        return None

    def wait(self) -> None:
        """Wait until all is read."""
        for draw in self._draws:
            draw.exception()


_THREADS: dict[int, ThreadPoolExecutor] = {}  # by process, since a forked one has no thread


def _thread() -> ThreadPoolExecutor:
    if os.getpid() not in _THREADS:
        _THREADS[os.getpid()] = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    return _THREADS[os.getpid()]


def _kept_bytes(future: Future[_Draw | None]) -> int:
    draw = future.result() if future.done() and not future.exception() else None
    return draw.images.nbytes if draw else 0


def _read(gather: Gather, numbers: Callable[[], np.ndarray], shape: tuple[int, int, int], pinned: bool) -> _Draw | None:
    drawn = numbers()
    size, free = int(np.prod(shape)), memory.free_memory()
    if len(drawn) * size > min(MOST, MOST if free is None else free * FREE_SHARE):
        ordered, count = np.sort(drawn), max(1, WARMED // size)
        scratch = np.empty((count, *shape), dtype=np.uint8)
        for first in range(0, len(ordered), count):
            part = ordered[first : first + count]
            gather(part, scratch[: len(part)])
        return None
    images = None
    with suppress(RuntimeError):  # where memory cannot be pinned
        images = torch.empty((len(drawn), *shape), dtype=torch.uint8, pin_memory=pinned)
    images = torch.empty((len(drawn), *shape), dtype=torch.uint8) if images is None else images
    gather(drawn, images.numpy())
    return _Draw(drawn, images)
