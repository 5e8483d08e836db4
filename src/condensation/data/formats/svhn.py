"""SVHN, cropped: ``train_32x32.mat`` and ``test_32x32.mat`` as its authors give them out.

Source of the layout: ufldl.stanford.edu/housenumbers
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from condensation.core import memory
from condensation.core.errors import CondensationError, MissingExtra
from condensation.data.dataset import COPIES, Format, Part, Parts, ReadOptions
from condensation.data.formats.archive import damaged

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"


def holds_svhn(path: Path) -> bool:
    """Whether ``path`` is the file of the training part, or a folder that has it."""
    return (path.name == TRAIN and path.is_file()) or (path / TRAIN).is_file()


def read_svhn(path: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """Both files, where ``path`` is their folder or the first of them.

    Raises:
        CondensationError: if one is missing, cut off or damaged, or has a label outside of 1 to 10.
        MissingExtra: if scipy is not installed.
    """
    folder = path if path.is_dir() else path.parent
    if not (folder / TEST).is_file():
        raise CondensationError(f"{folder} has {TRAIN} but lacks {TEST}.\nGet it with: condense data get svhn")
    return Parts(read_mat(folder / TRAIN), read_mat(folder / TEST))


def read_mat(path: Path) -> Part:
    """``X`` (h, w, 3, n) and ``y`` (n, 1) of one file, where a zero is labelled 10."""
    try:
        from scipy import io
    except ImportError:
        raise MissingExtra("Reading the files of SVHN", "data") from None
    try:
        shapes = {name: shape for name, shape, _ in io.whosmat(path)}
        if not shapes.keys() >= {"X", "y"}:
            raise ValueError(f"it holds {', '.join(shapes) or 'nothing'} instead of X and y")
        advice = "Close other programs, or use a machine with more memory."
        memory.require(COPIES * math.prod(shapes["X"]), f"Reading {path}", advice)
        found = io.loadmat(path, variable_names=("X", "y"))
    except (CondensationError, MemoryError):
        raise
    except Exception as problem:  # scipy's reader raises errors of many types on damaged files
        raise damaged(path, problem, "svhn") from problem
    images, labels = found["X"], found["y"].reshape(-1)
    if images.ndim != 4 or images.shape[2] != 3 or images.dtype != np.uint8 or labels.dtype.kind not in "iu":
        raise damaged(path, f"X is {images.dtype} of shape {images.shape}, and y {labels.dtype}", "svhn")
    if len(labels) != images.shape[3] or not len(labels) or labels.min() < 1 or labels.max() > 10:
        raise damaged(path, f"its {images.shape[3]} images have {len(labels)} labels, which must lie in 1 to 10", "svhn")
    return Part(torch.from_numpy(images).permute(3, 2, 0, 1), torch.from_numpy(labels.astype(np.int64) % 10), None, str(path))


SVHN_FILES = Format("the files of SVHN", holds_svhn, read_svhn, "svhn", (TRAIN,))
