"""SVHN, cropped digits: ``train_32x32.mat`` and ``test_32x32.mat`` (ufldl.stanford.edu/housenumbers)."""

import math
from pathlib import Path

import numpy as np
import torch

from condensation.core import memory
from condensation.core.errors import CondensationError, MissingExtra
from condensation.data.dataset import COPIES, RawData, RawSplit, ReadOptions
from condensation.data.formats.archive import naming_damage
from condensation.data.formats.format import Format

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"


def is_svhn(path: Path) -> bool:
    """Return whether ``path`` is the training file or a folder with it."""
    return (path.name == TRAIN and path.is_file()) or (path / TRAIN).is_file()


def read_svhn(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return both splits of the folder or training file; raise CondensationError if a file is missing or damaged, or a label is wrong."""
    folder = path if path.is_dir() else path.parent
    if not (folder / TEST).is_file():
        raise CondensationError(f"{folder} has {TRAIN} but lacks {TEST}.", hint="Get it with: condense data get svhn")
    return RawData(read_mat(folder / TRAIN), read_mat(folder / TEST))


def read_mat(path: Path) -> RawSplit:
    """Return the split of one file with ``X`` (h, w, 3, n) and ``y`` (n, 1), in which 10 stands for the digit 0."""
    try:
        from scipy import io
    except ImportError:
        raise MissingExtra("Reading the files of SVHN", "data") from None
    with naming_damage(path, "svhn"):
        shapes = {name: shape for name, shape, _ in io.whosmat(path)}
        if not shapes.keys() >= {"X", "y"}:
            raise ValueError(f"expected X and y, got {', '.join(shapes) or 'nothing'}")
        memory.require(COPIES * math.prod(shapes["X"]), f"Reading {path}")
        arrays = io.loadmat(path, variable_names=("X", "y"))
        images, labels = arrays["X"], arrays["y"].reshape(-1)
        if images.ndim != 4 or images.shape[2] != 3 or images.dtype != np.uint8 or labels.dtype.kind not in "iu":
            raise ValueError(f"X is {images.dtype} of shape {images.shape}, and y {labels.dtype}")
        if len(labels) != images.shape[3] or not len(labels) or labels.min() < 1 or labels.max() > 10:
            raise ValueError(f"expected {images.shape[3]} labels in 1..10, got {len(labels)} labels")
    return RawSplit(torch.from_numpy(images).permute(3, 2, 0, 1), torch.from_numpy(labels.astype(np.int64) % 10), None, str(path))


SVHN_FILES = Format("the files of SVHN", is_svhn, read_svhn, "svhn", (TRAIN,))
