"""The data sets that come with the package, in the folder ``embedded`` beside their licences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from condensation.data.dataset import Part, Parts
from condensation.data.formats.npz import read_npz_folder

EMBEDDED = Path(__file__).parents[1] / "embedded"
SIDE = 28
CLASSES = 10


def read_mosaic(path: Path) -> Part:
    """A picture that is a grid of 28 x 28 images, row by row, class after class, as many of each."""
    with Image.open(path, formats=("PNG",)) as mosaic:
        pixels = np.array(mosaic)
    rows, columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    images = pixels.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, 1, SIDE, SIDE)
    labels = torch.arange(CLASSES).repeat_interleave(len(images) // CLASSES)
    return Part(torch.from_numpy(images), labels, None, str(path))


def _digits() -> Parts:
    return read_npz_folder(EMBEDDED / "digits")


def _fashion_mini() -> Parts:
    return Parts(read_mosaic(EMBEDDED / "fashion-mini" / "train.png"), read_mosaic(EMBEDDED / "fashion-mini" / "test.png"))


BUNDLED: dict[str, Callable[[], Parts]] = {"digits": _digits, "fashion-mini": _fashion_mini}
