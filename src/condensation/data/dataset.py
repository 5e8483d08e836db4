"""What is loaded: a training and a test part, first as a reader finds them, then as image sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from condensation.images import ImageSet

# Whole images are held at most three times at once: as read, in the order of the classes, and channels first.
COPIES = 3


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, ready: both parts share classes and preprocessing, which was fitted on the training part alone."""

    name: str
    train: ImageSet
    test: ImageSet
    note: str = ""  # what was decided on the way, such as how a test part was set aside

    def to(self, device: torch.device | str) -> Data:
        return replace(self, train=self.train.to(device), test=self.test.to(device))


@dataclass(frozen=True, eq=False)
class Part:
    """The training or the test part as a reader gives it: the right types, otherwise not yet checked."""

    images: Tensor  # (n, c, h, w) uint8
    labels: Tensor  # (n,) int64
    class_names: tuple[str, ...] | None  # None where the file does not say
    origin: str  # what errors call it: a file, a folder


@dataclass(frozen=True, eq=False)
class Parts:
    """All that a reader gives."""

    train: Part
    test: Part | None  # None where a fifth of the training part is to be set aside
    note: str = ""


@dataclass(frozen=True)
class Reading:
    """How a person wants images to be read. What a reader leaves undone of it, as those of arrays do, is done after it."""

    size: int | None = None  # pixels of height and width; None: as they are


@dataclass(frozen=True)
class Format:
    """A way in which data lie on disk. Each has a file in this package, and a line in `formats.FORMATS`."""

    name: str  # what messages call it
    holds: Callable[[Path], bool]  # whether a path, of a file or a folder, is of this format: a quick look, nothing is read
    read: Callable[[Path, Reading], Parts]
    dataset: str | None = None  # the key in `DATASETS` of the one data set that has this format, if it is one
    usual: tuple[str, ...] = ()  # what its file or folder is usually called, so that it is found in the data folder
