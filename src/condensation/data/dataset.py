"""What is loaded: a training and a test part, first as a reader finds them, then as image sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress

# Whole images are held at most three times at once: as read, in the order of the classes, and channels first.
COPIES = 3

Size = int | str | tuple[int, int]  # pixels of both sides, or height and width: 64, (48, 64), "48x64"
Fit = Literal["crop", "pad"]


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, ready: both parts share classes and preprocessing, which was fitted on the training part alone."""

    name: str
    train: ImageSet
    test: ImageSet
    note: str = ""  # what was decided on the way, such as how a test part was set aside
    details: Mapping[str, Any] = field(default_factory=dict)  # for a card: the split, what was skipped, what is in both parts
    found: Found | None = None  # what the image files held; None where there were none, or they were not looked at
    format: str = "arrays"  # how the data lay on disk

    def to(self, device: torch.device | str) -> Data:
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def only(self, names: Sequence[str]) -> Data:
        """Only images of the classes called ``names``: labels, class names and what was fitted on all images stay what they were.

        Raises:
            CondensationError: if there is no such class.
        """
        known = self.train.class_names
        for name in names:
            if name not in known:
                raise unknown("class", name, known)
        labels = [known.index(name) for name in names]
        return replace(self, train=self.train.select(labels), test=self.test.select(labels))


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read, and why."""

    name: str
    why: str

    def error(self) -> CondensationError:
        """What a person is told who did not ask to skip such images."""
        return CondensationError(
            f"{self.name} {self.why}.\nReplace or remove that image, or leave such images out: --skip-bad (in Python: skip_bad=True)."
        )


@dataclass(frozen=True)
class Found:
    """What there was before all images were made alike."""

    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)  # height and width: how many images have them
    modes: Mapping[str, int] = field(default_factory=dict)  # Pillow's name of a kind of pixels: how many images are of it
    skipped: tuple[Skipped, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)  # files that were not taken for images, by the reason

    def __add__(self, other: Found) -> Found:
        return Found(
            _sum(self.sizes, other.sizes),
            _sum(self.modes, other.modes),
            self.skipped + other.skipped,
            _sum(self.passed_over, other.passed_over),
        )


@dataclass(frozen=True, eq=False)
class Part:
    """The training or the test part as a reader gives it: the right types, otherwise not yet checked."""

    images: Tensor  # (n, c, h, w) uint8
    labels: Tensor  # (n,) int64
    class_names: tuple[str, ...] | None  # None where the file does not say
    origin: str  # what errors call it: a file, a folder
    names: tuple[str, ...] | None = None  # of each image, as its file is called; None where images have no names


@dataclass(frozen=True, eq=False)
class Parts:
    """All that a reader gives."""

    train: Part
    test: Part | None  # None where a fifth of the training part is to be set aside
    note: str = ""
    found: Found | None = None
    format: str = ""


@dataclass(frozen=True)
class ReadOptions:
    """How a person wants images to be read. What a reader leaves undone of it, as those of arrays do, is done after it."""

    size: Size | None = None  # None: as they are
    fit: Fit = "crop"  # to a size of another shape: cut off what is too long, or pad what is too short with black
    skip_bad: bool = False  # leave out what cannot be read, and list it, rather than stop
    columns: tuple[str, ...] = ()  # of a table: that of the images and that of the labels; (): as they are usually called
    on_progress: OnProgress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        as_shape(self.size)
        if self.fit not in get_args(Fit):
            raise CondensationError(f"fit is {self.fit!r}; it can be {' or '.join(get_args(Fit))}.")
        if len(self.columns) not in (0, 2):
            raise CondensationError(f"columns names {len(self.columns)} columns; name two, that of the images and that of the labels.")

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width."""
        return as_shape(self.size)


@dataclass(frozen=True)
class Format:
    """A way in which data lie on disk. Each has a file in this package, and a line in `formats.FORMATS`."""

    name: str  # what messages call it
    holds: Callable[[Path], bool]  # whether a path, of a file or a folder, is of this format: a quick look, nothing is read
    read: Callable[[Path, ReadOptions], Parts]
    dataset: str | None = None  # the key in `DATASETS` of the one data set that has this format, if it is one
    usual: tuple[str, ...] = ()  # what its file or folder is usually called, so that it is found in the data folder


class MixedSizes(CondensationError):
    """Images differ in size, and none was asked for."""


def only_one_class(name: str, origin: str) -> CondensationError:
    """The error for data of a single class."""
    return CondensationError(f"There is only one class, {name!r}, in {origin}: condensing needs at least two.")


def as_shape(size: Size | None) -> tuple[int, int] | None:
    """Height and width in pixels.

    Raises:
        CondensationError: if ``size`` does not say them.
    """
    if size is None:
        return None
    sides = size.lower().split("x") if isinstance(size, str) else [size] if isinstance(size, int) else list(size)
    try:
        numbers = [int(side) for side in sides]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2):
        raise CondensationError(f"The size is {size!r}.\nWrite pixels, such as 64, or height x width, such as 48x64.")
    if min(numbers) < 1:
        raise CondensationError(f"The size must be at least 1 pixel; it is {size}.")
    return numbers[0], numbers[-1]


def as_text(shape: tuple[int, int]) -> str:
    """Height and width as messages say them."""
    return f"{shape[0]} x {shape[1]}"


def _sum(one: Mapping[Any, int], other: Mapping[Any, int]) -> dict[Any, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in [*one, *(key for key in other if key not in one)]}
