"""Make the bundled subset of Fashion-MNIST from its four IDX files: ``python scripts/make_fashion_mini.py FOLDER``.

Each split becomes one lossless PNG, a grid of images sorted by class. The seed alone decides the images. ``--check`` compares
the pixels with the bundled files instead of writing.
"""

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


def choose(split: RawSplit, name: str) -> Tensor:
    """Return the chosen images (n, 1, 28, 28), sorted by class."""
    chosen = []
    for label in range(CLASSES):
        indices = (split.labels == label).nonzero().squeeze(1)
        order = Rng(0).child("fashion-mini", name, label).permutation(len(indices))
        chosen.append(indices[order[: PER_CLASS[name]].sort().values])
    return split.images[torch.cat(chosen)]


def mosaic(images: Tensor) -> np.ndarray:
    """Return one picture with 100 images per row."""
    grid = images.view(-1, COLUMNS, SIDE, SIDE).transpose(1, 2)
    return grid.reshape(-1, COLUMNS * SIDE).numpy()


def main() -> int:
    """Write or compare the two pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the four IDX files of Fashion-MNIST")
    parser.add_argument("--check", action="store_true", help="compare with the bundled files; exit with 1 if they differ")
    options = parser.parse_args()
    raw = read_idx_folder(options.folder)
    same = True
    for name, split in (("train", raw.train), ("test", raw.test)):
        assert split is not None
        path, picture = BUNDLED_FOLDER / "fashion-mini" / f"{name}.png", mosaic(choose(split, name))
        if options.check:
            same &= np.array_equal(np.asarray(Image.open(path)), picture)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, optimize=True)
    print("same pixels" if same else "different pixels")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
