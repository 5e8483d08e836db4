"""Condense a folder of images with one sub-folder per class: python examples/own_images.py [FOLDER].

Without FOLDER, the example writes such a folder with bundled digits.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from condensation import DM, CondensedSet, ConvNet, Fresh, Random, Recipe, condense, evaluate, grid, load


def make_folder() -> Path:
    """Write a folder with forty images of each of three classes: ``three/0.png``, ``three/1.png``, ..., ``eight/0.png``, ..."""
    folder = Path(tempfile.mkdtemp(prefix="own-images-"))
    digits = load("digits").train
    for label, name in {3: "three", 8: "eight", 9: "nine"}.items():
        (folder / name).mkdir()
        for number, picture in enumerate(digits.select([label]).pictures()[:40]):
            pixels = np.uint8(picture[0].numpy() * 255)
            Image.fromarray(pixels).resize((16, 16)).save(folder / name / f"{number}.png")
    return folder


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else make_folder()
data = load(folder, size=16)  # scale and crop to 16 x 16; without `size`, all images must have one size
print(f"{folder}: {len(data.train)} training images of {', '.join(data.train.class_names)}")
print(data.note or f"{len(data.test)} test images")

network = ConvNet(width=32)
small = condense(DM(steps=50, batch_per_class=32, networks=Fresh(network)), data.train, ipc=1)
random = condense(Random(), data.train, ipc=1)
for name, images in {"DM": small, "random": random}.items():
    print(f"{name:>6}: {evaluate(images, data.test, network=network, recipe=Recipe(epochs=100), networks=3)}")

CondensedSet(small).save(folder.parent / f"{folder.name}.safetensors")
grid(small, data.train, title=f"{folder.name}, DM, 1 image per class").save(folder.parent / f"{folder.name}.png")
print(f"Set and picture are next to the folder: {folder.parent / folder.name}.safetensors and .png")
