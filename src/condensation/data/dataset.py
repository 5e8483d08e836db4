"""Loaded data: the splits as a reader returns them, and the image sets made from them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from condensation.core.errors import CondensationError, abridged, unknown
from condensation.core.images import ImageSet
from condensation.core.notebook import facts_of, picture_html, table_html
from condensation.core.progress import OnProgress
from condensation.data.pixel_range import HINT, PixelRange, parse_pixel_range

# All images are in memory at most three times at once: as read, sorted by class, and channels first.
COPIES = 3

LARGEST_SIDE = 1_000_000  # pixels
Size = int | str | tuple[int, int]  # pixels of both sides, or height and width: 64, (48, 64), "48x64"
Fit = Literal["crop", "pad"]

SKIP_BAD, PIXEL_RANGE, MAX_PIXELS = "data.skip_bad", "data.pixel_range", "data.max_pixels"
NORMALIZED = "transform"  # argument of the user's data set
SKIP = ", or skip such images: skip_bad=True."
# Setting: advice for an image that cannot be read without it. If one has another range of pixels, so have most.
REMEDIES = {
    SKIP_BAD: f"Replace or remove that image{SKIP}",
    PIXEL_RANGE: f"{HINT}.",
    MAX_PIXELS: f"If you trust that image, allow more pixels: data.max_pixels=NUMBER (in Python: max_pixels=NUMBER){SKIP}",
    NORMALIZED: f"Drop transforms.Normalize from the data set; images are normalized after they are read. Otherwise: {HINT}.",
}


@dataclass(frozen=True, eq=False)
class Data:
    """A data set ready for use; both splits share the classes and the preprocessing, which was fitted on ``train``.

    >>> from condensation import load
    >>> data = load("digits")
    >>> data.train.images.shape, data.test.images.shape, data.only(["3", "8"]).train.classes
    (torch.Size([1438, 1, 8, 8]), torch.Size([359, 1, 8, 8]), (3, 8))
    """

    name: str
    """Name of the data set, or of its folder."""
    train: ImageSet
    """Training images, uint8 (n, c, h, w)."""
    test: ImageSet
    """Test images, in the same form."""
    note: str = ""
    """Decisions made while loading, for the user: how a test split was held out, for example."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The same decisions for cards: the held-out split, skipped images, the number of duplicates."""
    files: FileSummary | None = None
    """Contents of the image files; None if no files were decoded."""
    format: str = "arrays"
    """Name of the format on disk."""
    origins: tuple[str, str] | None = None
    """File or folder of each split; None if unknown."""
    warnings: tuple[str, ...] = ()
    """Warnings about the images, which were logged while loading."""

    def __repr__(self) -> str:
        return f"Data({self.name!r}, train={self.train}, test={self.test})"

    def _repr_html_(self) -> str:
        counts = [("training images", f"{len(self.train):,}"), ("test images", f"{len(self.test):,}")]
        return table_html(f"Data: {self.name}", [*counts, *facts_of(self.train)[1:], ("note", self.note)], picture_html(self.train))

    def to(self, device: torch.device | str) -> Data:
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def only(self, names: Sequence[str]) -> Data:
        """Restrict both splits to the classes ``names``; labels and class names do not change. Raise CondensationError for unknown ones."""
        known, names = self.train.class_names, [unicodedata.normalize("NFC", name) for name in names]
        for name in names:
            if name not in known:
                raise unknown("class", name, known, setting="data.classes")
        labels = [known.index(name) for name in names]
        return replace(self, train=self.train.select(labels), test=self.test.select(labels))


@dataclass(frozen=True)
class SkippedImage:
    """An image that could not be read."""

    name: str
    why: str  # continues a sentence that begins with the name
    setting: str = SKIP_BAD  # the setting that makes the image readable, if there is one

    def error(self) -> CondensationError:
        """Return the error for a reader that does not skip such images."""
        return CondensationError(f"{self.name} {self.why}.", hint=REMEDIES[self.setting], setting=self.setting)


@dataclass(frozen=True)
class FileSummary:
    """Contents of the image files before resizing."""

    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)  # (height, width): number of images
    modes: Mapping[str, int] = field(default_factory=dict)  # Pillow mode: number of images
    skipped: tuple[SkippedImage, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)  # reason: number of files that are not images

    def __add__(self, other: FileSummary) -> FileSummary:
        sizes, modes = Counter(self.sizes) + Counter(other.sizes), Counter(self.modes) + Counter(other.modes)
        ignored = Counter(self.ignored) + Counter(other.ignored)
        return FileSummary(dict(sizes), dict(modes), self.skipped + other.skipped, dict(ignored))


@dataclass(frozen=True, eq=False)
class RawSplit:
    """One split as a reader returns it: correct types, values not yet checked."""

    images: Tensor  # (n, c, h, w) uint8; arrays of other types become uint8 in `assemble`
    labels: Tensor  # (n,) int64
    class_names: tuple[str, ...] | None  # None if the file has none
    origin: str  # file or folder, for messages
    names: tuple[str, ...] | None = None  # file name per image, if images have names


@dataclass(frozen=True, eq=False)
class RawData:
    """Both splits as a reader returns them."""

    train: RawSplit
    test: RawSplit | None  # None: a fifth of the training split is held out
    note: str = ""
    files: FileSummary | None = None
    format: str = ""
    packed: Packed | None = None


@dataclass(frozen=True)
class Packed:
    """Findings of the checks that were made when images were packed."""

    name: str  # of the data set; empty if the folder where it is tells it
    class_names: tuple[str, ...]
    details: Mapping[str, Any]  # of `Data`
    fingerprints: tuple[Mapping[tuple[int, ...], str], ...]  # of the images of all classes and of each, in both splits
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadOptions:
    """Arguments of `condensation.data.load.load`. For readers that ignore ``size``, `assemble` resizes the images."""

    size: Size | None = None
    fit: Fit = "crop"
    skip_bad: bool = False
    columns: Sequence[str] = ()
    train: str | None = None
    test: str | None = None
    drop_empty: bool = False
    pixel_range: str | Sequence[float] | None = None
    max_pixels: int | None = None
    fold: int | str | None = None
    on_progress: OnProgress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        parse_pixel_range(self.pixel_range)
        if self.max_pixels is not None and self.max_pixels < 1:
            raise CondensationError(f"max_pixels is {self.max_pixels}, expected at least 1.", setting=MAX_PIXELS)
        object.__setattr__(self, "columns", (self.columns,) if isinstance(self.columns, str) else tuple(self.columns))
        parse_size(self.size)
        if self.fit not in get_args(Fit):
            raise unknown("fit", self.fit, get_args(Fit), setting="data.fit")
        if len(self.columns) == 1:
            message = f"Expected at least two columns, got 1: {self.columns[0]}."
            raise CondensationError(message, hint="Name the image column and the label column.", setting="data.columns")

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width in pixels."""
        return parse_size(self.size)

    @property
    def black_and_white(self) -> PixelRange | None:
        """Values of black and white."""
        return parse_pixel_range(self.pixel_range)

    @property
    def named_parts(self) -> tuple[str, ...]:
        """The parts that the user named, as assignments."""
        return tuple(f"{role}={name}" for role, name in (("train", self.train), ("test", self.test)) if name is not None)


class MixedSizes(CondensationError):
    """Error for images of different sizes when no size is set."""


class NoImages(CondensationError):
    """Error for a part or a class without an image that can be read."""


def single_class_error(name: str, origin: str) -> CondensationError:
    """Return the error for data of a single class."""
    return CondensationError(f"{origin} has only one class, {name!r}.", hint="Condensation needs at least two classes.")


def parse_size(size: Size | None) -> tuple[int, int] | None:
    """Return height and width in pixels; raise CondensationError if ``size`` is malformed or below 1 pixel."""
    if size is None:
        return None
    sides = size.lower().split("x") if isinstance(size, str) else [size] if isinstance(size, int) else size
    try:
        numbers = [int(side) for side in sides]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1 or max(numbers) > LARGEST_SIDE:
        message = f"The size is {abridged(repr(size))}, expected a positive number of pixels, or height x width."
        raise CondensationError(message, hint='Set size=64 or size="48x64".', setting="data.size")
    return numbers[0], numbers[-1]


def format_shape(shape: tuple[int, int]) -> str:
    """Return height and width as text: ``48 x 64``."""
    return f"{shape[0]} x {shape[1]}"
