"""Many images into one array, decoded in parallel; bad ones are named, and mixed ones made alike."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import torch

from condensation.core import memory
from condensation.data.dataset import Found, MixedSizes, Part, Parts, ReadOptions, Skipped
from condensation.data.decode.decode import Picture, Unreadable, read_file, strict

BLOCK = 16  # images that a thread reads at a time
AHEAD = 4  # blocks for each thread that wait or are done, before more are handed out


@dataclass(frozen=True, eq=False)
class Item:
    """An image that is to be read."""

    name: str
    label: int
    read: Callable[[ReadOptions], Picture]  # raises `Unreadable`


@dataclass(frozen=True, eq=False)
class Heap:
    """The images of a part before they are read."""

    items: Iterable[Item]
    count: int  # how many items there are
    origin: str  # what errors call them


def file_item(path: str, name: str, label: int) -> Item:
    """The image in the file at ``path``."""
    return Item(name, label, partial(read_file, path))


def read_parts(train: Heap, test: Heap | None, class_names: tuple[str, ...] | None, how: ReadOptions, note: str = "") -> Parts:
    """Both parts, in colour if any image of either is.

    Raises:
        CondensationError: if an image cannot be read and ``how`` does not skip such, sizes differ and none is wanted, or
            there is no image.
        NotEnoughMemory: if the images would not fit.
    """
    total = train.count + (test.count if test else 0)
    told = how.on_progress
    first, found = read_part(train, class_names, replace(how, on_progress=(lambda done, _: told(done, total)) if told else None))
    if test is None:
        return Parts(first, None, note, found)
    how = replace(how, on_progress=(lambda done, _: told(train.count + done, total)) if told else None)
    second, found_too = read_part(test, class_names, how)
    channels = max(first.images.shape[1], second.images.shape[1])
    first, second = (part if part.images.shape[1] == channels else _in_colour(part) for part in (first, second))
    return Parts(first, second, note, found + found_too)


def read_part(heap: Heap, class_names: tuple[str, ...] | None, how: ReadOptions) -> tuple[Part, Found]:
    """One part, in colour if any of its images is."""
    array: np.ndarray | None = None
    labels: list[int] = []
    names: list[str] = []
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    skipped: list[Skipped] = []
    for done, (item, got) in enumerate(_in_parallel(heap.items, how), 1):
        if how.on_progress:
            how.on_progress(done, heap.count)
        if isinstance(got, Skipped):
            if not how.skip_bad:
                raise got.error()
            skipped.append(got)
            continue
        if array is None:
            array = _room(heap, got.pixels.shape)
        elif got.pixels.shape[1:] != array.shape[2:]:
            raise _mixed(names[0], array.shape[2:], item.name, got.pixels.shape[1:])
        if len(got.pixels) > array.shape[1]:
            _room(heap, got.pixels.shape)
            array = np.repeat(array, 3, axis=1)
        array[len(names)] = got.pixels
        names.append(item.name)
        labels.append(item.label)
        sizes[got.shape] += 1
        modes[got.mode] += 1
    found = Found(dict(sizes), dict(modes), tuple(skipped))
    if array is None:
        raise skipped[0].error() if skipped else Skipped(heap.origin, "has no images").error()
    return Part(torch.from_numpy(array[: len(names)]), torch.tensor(labels), class_names, heap.origin, tuple(names)), found


def workers() -> int:
    """How many threads read: one a core that this process may use. Pillow decodes without the lock that threads share."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _in_parallel(items: Iterable[Item], how: ReadOptions) -> Iterator[tuple[Item, Picture | Skipped]]:
    """Every item with what was read of it, in order; no more is held than the threads need to keep busy."""
    waiting: deque[Future[list[tuple[Item, Picture | Skipped]]]] = deque()
    source, count = iter(items), workers()
    pool = ThreadPoolExecutor(count, thread_name_prefix="images")
    with strict():
        try:
            while block := list(islice(source, BLOCK)):
                waiting.append(pool.submit(_read, block, how))
                if len(waiting) >= AHEAD * count:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(block: list[Item], how: ReadOptions) -> list[tuple[Item, Picture | Skipped]]:
    read: list[tuple[Item, Picture | Skipped]] = []
    for item in block:
        try:
            read.append((item, item.read(how)))
        except Unreadable as problem:
            read.append((item, Skipped(item.name, str(problem))))
    return read


def _room(heap: Heap, shape: tuple[int, ...]) -> np.ndarray:
    # Twice: once as read, once sorted into an image set.
    needed = 2 * heap.count * int(np.prod(shape))
    memory.require(needed, f"Reading {heap.count:,} images from {heap.origin}", "Give a size, or a smaller one.")
    return np.empty((heap.count, *shape), dtype=np.uint8)


def _in_colour(part: Part) -> Part:
    return replace(part, images=part.images.expand(-1, 3, -1, -1))


def _mixed(one: str, shape: tuple[int, ...], other: str, other_shape: tuple[int, ...]) -> MixedSizes:
    return MixedSizes(
        f"The images differ in size: {one} has {_pixels(shape)}, {other} has {_pixels(other_shape)}.\n"
        "Give a size to which all are scaled and cropped: --size 64 (in Python: size=64); `condense data show` tells which sizes there are."
    )


def _pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[-1]} x {shape[-2]} pixels"
