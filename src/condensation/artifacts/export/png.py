"""Export as PNG files, one sub-folder per class, with a table of labels."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import PIXEL_IMPORTS, Export, eight_bit, pixels_code, png_bytes
from condensation.core.images import ImageSet

LABELS = "labels.csv"
LONGEST = 60  # characters of a class name in a folder name
# Names of devices on Windows, and of splits for readers of image folders.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)), "train", "test", "val"}


def class_folders(names: Sequence[str]) -> list[str]:
    """Return a folder name per class that every file system accepts; sorted by name, they are in the order of the labels.

    If the names are not in order, or had to be changed, each gets its label as a prefix: ``3-Dress``.
    """
    safe = [re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name)[:LONGEST].strip(" .") for name in names]
    folded = [name.casefold() for name in safe]
    unchanged = safe == list(names) and all(safe) and len(set(folded)) == len(safe)
    if unchanged and sorted(safe) == safe and not RESERVED & {name.split(".")[0] for name in folded}:
        return safe
    width = len(str(len(names) - 1))
    return [f"{label:0{width}}-{name}".rstrip("-") for label, name in enumerate(safe)]


def write_png(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """Write ``CLASS/000.png``, ..., and ``labels.csv`` with the columns file, label and class_name."""
    folders = class_folders(images.class_names)
    pixels = eight_bit(images)
    width = max(3, len(str(max(images.counts.values()) - 1)))
    with (folder / LABELS).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "class_name"])
        for label, count in images.counts.items():
            (folder / folders[label]).mkdir()
            for number in range(count):
                name = f"{folders[label]}/{number:0{width}}.png"
                (folder / name).write_bytes(png_bytes(pixels[images.starts[label] + number]))
                table.writerow([name, label, images.class_names[label]])


def _code(images: ImageSet) -> str:
    rows = f'rows = list(csv.DictReader(Path("{LABELS}").read_text(encoding="utf-8").splitlines()))\n'
    return rows + pixels_code(images, 'row["file"]')


PNG = Export(
    name="png",
    write=write_png,
    contents=f"each class has a folder of PNG files, and `{LABELS}` lists them with their labels",
    imports=f"import csv\nfrom pathlib import Path\n\nimport numpy as np\n{PIXEL_IMPORTS}",
    code=_code,
    suffix=".png",
    pictures=True,
)
