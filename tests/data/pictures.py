"""Small picture files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (10, 8), mode: str = "RGB") -> Image.Image:
    """Noise of width and height ``size``."""
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).convert(mode)


def write_classes(folder: Path, classes: tuple[str, ...] = ("a", "b", "c"), count: int = 5, ending: str = "png", **settings) -> None:  # type: ignore[no-untyped-def]
    """``count`` pictures in each of ``classes``, no two alike."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture(100 * place + index, **settings).save(folder / name / f"{index}.{ending}")
