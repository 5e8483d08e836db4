"""Make a realistic folder of 3,000 colour JPEGs: python scripts/make_mixed_folder.py OUT.

It has mixed sizes, uneven classes, names with spaces and accents, photographs stored rotated (EXIF), and one greyscale, one CMYK and
one truncated file. The images are those of `tiny20` (64 x 64, twenty classes of Tiny ImageNet) and `cifar100` (32 x 32) in the
folder of CONDENSATION_DATA. Every run gives the same files.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image

TINY = {"goldfish": 0, "tabby cat": 3, "bison": 5, "bâton de marche": 4, "beach wagon": 7, "teapot": 16, "viaduct": 17, "réfrigérateur": 14}
CIFAR = {
    "apple": 0,
    "Blüte (orchid)": 54,
    "-castle": 17,
    "couch": 25,
    "érable": 47,
    "motorcycle": 48,
    "海 sea": 71,
    "skyscraper": 76,
    "sunflower": 82,
    "tank": 85,
    "tractor": 89,
    "wolf #1": 97,
}
TOTAL, FEWEST, MOST = 3000, 60, 260
TURNED = {3: 180, 6: 90, 8: 270}  # EXIF orientation: counter-clockwise rotation of the stored pixels in degrees


def class_counts(classes: int) -> list[int]:
    """Return class sizes from `FEWEST` to `MOST` with the sum `TOTAL`."""
    counts = [round(FEWEST + (MOST - FEWEST) * (index / (classes - 1)) ** 1.2) for index in range(classes)]
    counts[classes // 2] += TOTAL - sum(counts)
    return counts


def photograph(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Return ``pixels`` (h, w, 3) cropped at random and enlarged to a random size of 48 to 400 pixels."""
    height, width = pixels.shape[:2]
    cut_height, cut_width = (int(side * rng.uniform(0.8, 1.0)) for side in (height, width))
    top, left = rng.integers(0, height - cut_height + 1), rng.integers(0, width - cut_width + 1)
    scale = np.exp(rng.uniform(np.log(64 / min(cut_height, cut_width)), np.log(320 / min(cut_height, cut_width))))
    size = (round(cut_width * scale), round(cut_height * scale))
    return Image.fromarray(pixels[top : top + cut_height, left : left + cut_width]).resize(size, Image.Resampling.BICUBIC)


def save(picture: Image.Image, path: Path, number: int, rng: np.random.Generator) -> None:
    """Write a JPEG of random quality; every twentieth is stored rotated, with an EXIF tag."""
    exif = Image.Exif()
    if number % 20 == 7:
        tag = int(rng.choice(list(TURNED)))
        exif[0x0112] = tag
        picture = picture.rotate(TURNED[tag], expand=True)
    picture.save(path, "JPEG", quality=int(rng.integers(75, 96)), exif=exif)


def read_classes(name: str, root: Path, labels: dict[str, int]) -> dict[str, np.ndarray]:
    """Return the images of the classes ``labels`` of a data set."""
    with np.load(root / name / "train.npz", allow_pickle=False) as archive:
        images, all_labels = archive["images"], archive["labels"]
    return {folder: images[all_labels == label] for folder, label in labels.items()}


def main(out: Path, root: Path) -> None:
    """Write the folder ``out``."""
    classes = read_classes("tiny20", root, TINY) | read_classes("cifar100", root, CIFAR)
    rng = np.random.default_rng(0)
    for (name, images), count in zip(classes.items(), class_counts(len(classes)), strict=True):
        (out / name).mkdir(parents=True, exist_ok=True)
        for number, index in enumerate(rng.permutation(len(images))[:count]):
            suffix = ("jpg", "JPG", "jpeg")[number % 3]
            file = out / name / (f"Photo à {number}.{suffix}" if number % 50 == 1 else f"{number}.{suffix}")
            save(photograph(images[index], rng), file, number, rng)
    folders = list(classes)
    grey, cmyk, cut = (out / folders[index] / "0.jpg" for index in (1, 2, 3))
    Image.open(grey).convert("L").save(grey, "JPEG")
    Image.open(cmyk).convert("CMYK").save(cmyk, "JPEG")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    print(f"{out}: {TOTAL} JPEGs of {len(classes)} classes; grey: {grey}, CMYK: {cmyk}, truncated: {cut}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder to write")
    main(parser.parse_args().out, Path(os.environ["CONDENSATION_DATA"]))
