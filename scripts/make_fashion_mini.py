"""Make the embedded cut of Fashion-MNIST from its four IDX files: ``python scripts/make_fashion_mini.py FOLDER``.

Each part becomes one lossless PNG, a grid of images sorted by class. Which images are taken depends on nothing but the
seed; with ``--check`` nothing is written, and the pixels that are there are compared instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condensation.core.rng import Rng
from condensation.data.dataset import RawSplit
from condensation.data.formats.bundled import BUNDLED_FOLDER, CLASSES, SIDE
from condensation.data.formats.idx import read_idx_folder

PER_CLASS = {"train": 500, "test": 200}
COLUMNS = 100


def cut(part: RawSplit, name: str) -> Tensor:
    """The chosen images (n, 1, 28, 28), class after class."""
    chosen = []
    for label in range(CLASSES):
        places = (part.labels == label).nonzero().squeeze(1)
        order = Rng(0).child("fashion-mini", name, label).permutation(len(places))
        chosen.append(places[order[: PER_CLASS[name]].sort().values])
    return part.images[torch.cat(chosen)]


def mosaic(images: Tensor) -> np.ndarray:
    """One picture with 100 images in a row."""
    grid = images.view(-1, COLUMNS, SIDE, SIDE).transpose(1, 2)
    return grid.reshape(-1, COLUMNS * SIDE).numpy()


def main() -> int:
    """Write the two pictures, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the four IDX files of Fashion-MNIST are")
    parser.add_argument("--check", action="store_true", help="compare with what is embedded; exit with 1 if it differs")
    options = parser.parse_args()
    parts = read_idx_folder(options.folder)
    same = True
    for name, part in (("train", parts.train), ("test", parts.test)):
        assert part is not None
        path, picture = BUNDLED_FOLDER / "fashion-mini" / f"{name}.png", mosaic(cut(part, name))
        if options.check:
            same &= np.array_equal(np.asarray(Image.open(path)), picture)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, optimize=True)
    print("same pixels" if same else "different pixels")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
