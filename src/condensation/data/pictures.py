"""Image files through Pillow: which there are, what they hold, and every picture at one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from condensation.data import memory
from condensation.errors import CondensationError

GREY = {"1", "L", "LA", "La"}
DEEP_GREY = {"I", "I;16", "I;16L", "I;16B", "I;16N"}  # 16 bits, which Pillow would clip instead of scaling


def formats() -> tuple[str, ...]:
    """What Pillow reads here, but for EPS: to read that is to run a program that the file brings."""
    Image.init()
    return tuple(name for name in Image.OPEN if name != "EPS")


def endings() -> frozenset[str]:
    """The file endings of `formats`, such as ``.png``."""
    readable = formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in readable)


def is_grey(path: Path) -> bool:
    """Whether the file holds shades of grey, from its header alone."""
    with open_image(path) as image:
        return image.mode in GREY | DEEP_GREY


def open_image(path: Path) -> Image.Image:
    """The image in ``path``, of which only the header has been read."""
    try:
        return Image.open(path, formats=formats())
    except MemoryError:
        raise
    except Exception as problem:  # Pillow's readers raise errors of many types on damaged files
        raise _unreadable(path, problem) from problem


def read_picture(path: Path, grey: bool, size: int | None) -> np.ndarray:
    """The pixels (c, h, w) uint8 of ``path``, upright as its EXIF data say, and ``size`` x ``size`` if that is given.

    Of an animation this is the first frame; transparency is left out.
    """
    with open_image(path) as image:
        try:
            upright = ImageOps.exif_transpose(image) or image
            picture = _as_mode(upright, "L" if grey else "RGB")
        except MemoryError:
            raise
        except Exception as problem:  # as above
            raise _unreadable(path, problem) from problem
        if size is not None:
            picture = square(picture, size)
    return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)


def square(picture: Image.Image, size: int) -> Image.Image:
    """The centre of ``picture``, its shorter side scaled to ``size``."""
    return picture if picture.size == (size, size) else ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def resized(images: Tensor, size: int, origin: str) -> Tensor:
    """``images`` (n, c, h, w) uint8, each made ``size`` x ``size`` by `square`."""
    count, channels, height, width = images.shape
    if (height, width) == (size, size):
        return images
    memory.require(2 * count * channels * size * size, f"{origin} at {size} x {size}", "Give a smaller size.")
    result = torch.empty((count, channels, size, size), dtype=torch.uint8)
    for target, image in zip(result, images, strict=True):
        array = image.permute(1, 2, 0).numpy()
        picture = square(Image.fromarray(array[..., 0] if channels == 1 else np.ascontiguousarray(array)), size)
        target.copy_(torch.from_numpy(np.atleast_3d(np.array(picture))).permute(2, 0, 1))
    return result


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in DEEP_GREY:
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("it holds floating point pixels, whose range no one knows; save it with 8 or 16 bits")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _unreadable(path: Path, problem: Exception) -> CondensationError:
    return CondensationError(f"{path} cannot be read as an image, or is damaged or truncated: {problem}.\nReplace or remove that file.")
