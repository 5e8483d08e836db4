"""CIFAR-10 and CIFAR-100 as their authors give them out: the binary and the Python version, as archive or unpacked.

Source of the layouts: www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.data.catalogue import DATASETS
from condensation.data.dataset import Format, Part, Parts, ReadOptions
from condensation.data.formats.archive import TAR_ENDINGS, damaged, files_in
from condensation.data.formats.safe_pickle import read_pickle

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Pickles:
    """The files of the Python version: dictionaries, read without running anything in them."""

    labels: str  # under which name a batch has them
    names: str  # under which name the file of names has those of the classes

    def batch(self, content: bytes, origin: str) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 3072) and labels (n,)."""
        found = read_pickle(content, origin)
        labels = found.get(self.labels)
        if not isinstance(found.get("data"), np.ndarray) or not isinstance(labels, list) or not all(isinstance(one, int) for one in labels):
            raise ValueError(f"it has no 'data' that is an array, or no {self.labels!r} that are whole numbers")
        return found["data"], np.array(labels)

    def class_names(self, content: bytes, origin: str) -> list[str]:
        """The names in the order of the labels."""
        names: Any = read_pickle(content, origin).get(self.names)
        if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
            raise ValueError(f"it has no {self.names!r}")
        return [name.decode("latin-1") if isinstance(name, bytes) else name for name in names]


@dataclass(frozen=True)
class Records:
    """The files of the binary version: for each image its labels, the last of which is its class, and 3072 pixels."""

    label_bytes: int

    def batch(self, content: bytes, origin: str) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 3072) and labels (n,)."""
        record = self.label_bytes + PIXELS
        if len(content) % record:
            raise ValueError(f"it has {len(content):,} bytes, which is no multiple of {record:,}")
        records = np.frombuffer(content, np.uint8).reshape(-1, record)
        return records[:, self.label_bytes :], records[:, self.label_bytes - 1]

    def class_names(self, content: bytes, origin: str) -> list[str]:
        """The names in the order of the labels."""
        return content.decode("latin-1").split()


@dataclass(frozen=True)
class CifarLayout:
    """One version of one of the two data sets."""

    dataset: str
    archive: str  # what the name of the archive begins with
    folder: str
    train: tuple[str, ...]
    test: str
    names: str  # the file with the names of the classes
    content: Pickles | Records

    def is_at(self, path: Path) -> bool:
        """Whether ``path`` is the archive or the unpacked folder of this version, by names alone."""
        if path.is_dir():
            return path.name == self.folder or all((path / name).is_file() for name in (self.train[0], self.names))
        return path.name.startswith(self.archive) and path.name.endswith(TAR_ENDINGS) and path.is_file()

    def read(self, path: Path) -> Parts:
        """The training and the test part.

        Raises:
            CondensationError: if a file is missing, cut off, damaged or poisoned, or has a label outside of the classes.
        """
        batches: dict[str, tuple[Tensor, Tensor]] = {}
        class_names = None
        for name, content in files_in(path, (*self.train, self.test, self.names), self.dataset):
            try:
                if name == self.names:
                    class_names = self._names(content, f"{name} in {path}")
                else:
                    batches[name] = self._batch(content, f"{name} in {path}")
            except CondensationError:
                raise
            except ValueError as problem:
                raise damaged(f"{name} in {path}", problem, self.dataset) from problem
        missing = [name for name in (*self.train, self.test) if name not in batches]
        if missing:
            raise CondensationError(
                f"{path} lacks {', '.join(missing)}, so it is not the whole of {DATASETS[self.dataset].title}.\n"
                f"Remove it and get it again: condense data get {self.dataset}"
            )
        images, labels = zip(*(batches.pop(name) for name in self.train), strict=True)
        train = Part(torch.cat(images), torch.cat(labels), class_names, str(path))
        return Parts(train, Part(*batches[self.test], class_names, f"{self.test} in {path}"))

    def _batch(self, content: bytes, origin: str) -> tuple[Tensor, Tensor]:
        pixels, labels = self.content.batch(content, origin)
        if pixels.ndim != 2 or pixels.shape[1] != PIXELS or pixels.dtype != np.uint8 or len(pixels) != len(labels) or not len(labels):
            raise ValueError(f"it has {len(labels)} labels, and pixels of the type {pixels.dtype} and the shape {pixels.shape}")
        low, high, classes = int(labels.min()), int(labels.max()), DATASETS[self.dataset].classes
        if low < 0 or high >= classes:
            raise ValueError(f"its labels run from {low} to {high}, and must lie in 0 to {classes - 1}")
        # Copied, so that the content of the file can be let go.
        return torch.from_numpy(pixels.reshape(-1, *SHAPE).copy()), torch.from_numpy(labels.astype(np.int64))

    def _names(self, content: bytes, origin: str) -> tuple[str, ...]:
        names, classes = self.content.class_names(content, origin), DATASETS[self.dataset].classes
        if len(names) != classes:
            raise ValueError(f"it names {len(names)} classes, and there are {classes}")
        return tuple(names)


def cifar(*layouts: CifarLayout) -> Format:
    """The format that is any of ``layouts``, all of one data set."""
    dataset = layouts[0].dataset

    def at(path: Path) -> CifarLayout | None:
        return next((layout for layout in layouts if layout.is_at(path)), None)

    def read(path: Path, how: ReadOptions) -> Parts:
        layout = at(path)
        if layout is None:
            raise CondensationError(f"{path} is neither an archive nor a folder of {DATASETS[dataset].title}.")
        return layout.read(path)

    folders = tuple(layout.folder for layout in layouts)
    archives = tuple(layout.archive + ending for layout in layouts for ending in TAR_ENDINGS)
    title = DATASETS[dataset].title
    return Format(f"the files of {title}", lambda path: at(path) is not None, read, dataset, folders + archives)


FIVE = tuple(f"data_batch_{number}" for number in range(1, 6))
FIVE_BIN = tuple(f"{name}.bin" for name in FIVE)

CIFAR10_FILES = cifar(
    CifarLayout("cifar10", "cifar-10-python", "cifar-10-batches-py", FIVE, "test_batch", "batches.meta", Pickles("labels", "label_names")),
    CifarLayout("cifar10", "cifar-10-binary", "cifar-10-batches-bin", FIVE_BIN, "test_batch.bin", "batches.meta.txt", Records(1)),
)
CIFAR100_FILES = cifar(
    CifarLayout("cifar100", "cifar-100-python", "cifar-100-python", ("train",), "test", "meta", Pickles("fine_labels", "fine_label_names")),
    CifarLayout("cifar100", "cifar-100-binary", "cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", Records(2)),
)
