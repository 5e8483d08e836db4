"""Data sets included in the package, in ``data/bundled`` with their licences."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from condensation.data.dataset import RawData, RawSplit
from condensation.data.formats.npz import read_npz_folder

BUNDLED_FOLDER = Path(__file__).parents[1] / "bundled"
SIDE = 28
CLASSES = 10


def read_mosaic(path: Path) -> RawSplit:
    """Return the 28 x 28 images of a grid in one picture, stored row by row and class by class, with equal numbers per class."""
    with Image.open(path, formats=("PNG",)) as mosaic:
        pixels = np.array(mosaic)
    rows, columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    images = pixels.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, 1, SIDE, SIDE)
    labels = torch.arange(CLASSES).repeat_interleave(len(images) // CLASSES)
    return RawSplit(torch.from_numpy(images), labels, None, str(path))


def _fashion_mini() -> RawData:
    folder = BUNDLED_FOLDER / "fashion-mini"
    return RawData(read_mosaic(folder / "train.png"), read_mosaic(folder / "test.png"))


BUNDLED: dict[str, Callable[[], RawData]] = {"digits": lambda: read_npz_folder(BUNDLED_FOLDER / "digits"), "fashion-mini": _fashion_mini}
