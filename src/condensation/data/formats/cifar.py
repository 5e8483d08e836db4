"""CIFAR-10 and CIFAR-100, binary and Python versions, as archives or unpacked (www.cs.toronto.edu/~kriz/cifar.html)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.data.catalogue import DATASETS
from condensation.data.dataset import RawData, RawSplit, ReadOptions
from condensation.data.formats.archive import TAR_SUFFIXES, files_in, naming_damage
from condensation.data.formats.format import Format
from condensation.data.formats.safe_pickle import read_pickle

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class PickledBatches:
    """Files of the Python version: pickled dictionaries."""

    labels: str  # key of the labels in a batch
    names: str  # key of the class names in the file of names

    def batch(self, content: bytes, origin: str) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels (n, 3072) and labels (n,)."""
        batch = read_pickle(content, origin)
        pixels, labels = batch.get("data"), batch.get(self.labels)
        if not isinstance(pixels, np.ndarray) or not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
            raise ValueError(f"expected an array 'data' and integers {self.labels!r}")
        return pixels, np.array(labels)

    def class_names(self, content: bytes, origin: str) -> list[str]:
        """Return the class names in label order."""
        names: Any = read_pickle(content, origin).get(self.names)
        if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
            raise ValueError(f"expected the class names {self.names!r}")
        return [name.decode("latin-1") if isinstance(name, bytes) else name for name in names]


@dataclass(frozen=True)
class BinaryBatches:
    """Files of the binary version: for each image its labels, the last of which is the class, and 3072 pixels."""

    label_bytes: int

    def batch(self, content: bytes, origin: str) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels (n, 3072) and labels (n,)."""
        record = self.label_bytes + PIXELS
        if len(content) % record:
            raise ValueError(f"it has {len(content):,} bytes, expected a multiple of {record:,}")
        records = np.frombuffer(content, np.uint8).reshape(-1, record)
        return records[:, self.label_bytes :], records[:, self.label_bytes - 1]

    def class_names(self, content: bytes, origin: str) -> list[str]:
        """Return the class names in label order."""
        return content.decode("latin-1").split()


@dataclass(frozen=True)
class CifarVersion:
    """One version of one of the two data sets."""

    dataset: str
    archive: str  # name of the archive without suffix
    folder: str
    train: tuple[str, ...]
    test: str
    names: str  # file with the class names
    content: PickledBatches | BinaryBatches

    def matches(self, path: Path) -> bool:
        """Return whether ``path`` is the archive or the unpacked folder, from names alone."""
        if path.is_dir():
            return path.name == self.folder or all((path / name).is_file() for name in (self.train[0], self.names))
        return path.name.startswith(self.archive) and path.name.endswith(TAR_SUFFIXES) and path.is_file()

    def read(self, path: Path) -> RawData:
        """Return both splits; raise CondensationError if a file is missing, damaged or malicious, or a label is out of range."""
        batches: dict[str, tuple[Tensor, Tensor]] = {}
        class_names = None
        for name, content in files_in(path, (*self.train, self.test, self.names), self.dataset):
            origin = f"{name} in {path}"
            with naming_damage(origin, self.dataset):
                if name == self.names:
                    class_names = self._class_names(content, origin)
                else:
                    batches[name] = self._batch(content, origin)
        missing = [name for name in (*self.train, self.test) if name not in batches]
        if missing:
            message = f"{path} lacks {', '.join(missing)}; {DATASETS[self.dataset].title} is incomplete."
            raise CondensationError(message, hint=f"Remove it and get it again: condense data get {self.dataset}")
        images, labels = zip(*(batches.pop(name) for name in self.train), strict=True)
        train = RawSplit(torch.cat(images), torch.cat(labels), class_names, str(path))
        return RawData(train, RawSplit(*batches[self.test], class_names, f"{self.test} in {path}"))

    def _batch(self, content: bytes, origin: str) -> tuple[Tensor, Tensor]:
        pixels, labels = self.content.batch(content, origin)
        if pixels.ndim != 2 or pixels.shape[1] != PIXELS or pixels.dtype != np.uint8 or len(pixels) != len(labels) or not len(labels):
            raise ValueError(f"it has {len(labels)} labels, and pixels of type {pixels.dtype} and shape {pixels.shape}")
        low, high, classes = int(labels.min()), int(labels.max()), DATASETS[self.dataset].classes
        if low < 0 or high >= classes:
            raise ValueError(f"expected labels in 0..{classes - 1}, got {low}..{high}")
        # A copy, so that the content of the file can be freed.
        return torch.from_numpy(pixels.reshape(-1, *SHAPE).copy()), torch.from_numpy(labels.astype(np.int64))

    def _class_names(self, content: bytes, origin: str) -> tuple[str, ...]:
        names, classes = self.content.class_names(content, origin), DATASETS[self.dataset].classes
        if len(names) != classes:
            raise ValueError(f"it names {len(names)} classes, expected {classes}")
        return tuple(names)


def cifar_format(*versions: CifarVersion) -> Format:
    """Return the format of any of ``versions`` of one data set."""
    dataset = versions[0].dataset
    title = DATASETS[dataset].title

    def read(path: Path, options: ReadOptions) -> RawData:
        for version in versions:
            if version.matches(path):
                return version.read(path)
        raise CondensationError(f"{path} is neither an archive nor a folder of {title}.")

    folders = tuple(version.folder for version in versions)
    archives = tuple(version.archive + suffix for version in versions for suffix in TAR_SUFFIXES)
    return Format(
        f"the files of {title}", lambda path: any(version.matches(path) for version in versions), read, dataset, folders + archives
    )


BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
BINARY = tuple(f"{name}.bin" for name in BATCHES)
LABELS_10, LABELS_100 = PickledBatches("labels", "label_names"), PickledBatches("fine_labels", "fine_label_names")

CIFAR10_FILES = cifar_format(
    CifarVersion("cifar10", "cifar-10-python", "cifar-10-batches-py", BATCHES, "test_batch", "batches.meta", LABELS_10),
    CifarVersion("cifar10", "cifar-10-binary", "cifar-10-batches-bin", BINARY, "test_batch.bin", "batches.meta.txt", BinaryBatches(1)),
)
CIFAR100_FILES = cifar_format(
    CifarVersion("cifar100", "cifar-100-python", "cifar-100-python", ("train",), "test", "meta", LABELS_100),
    CifarVersion("cifar100", "cifar-100-binary", "cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", BinaryBatches(2)),
)
