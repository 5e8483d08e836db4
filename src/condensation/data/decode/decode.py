"""Image files through Pillow: which there are, what they hold, and every picture at one size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from condensation.core import memory
from condensation.data.dataset import Fit, ReadOptions, as_text

GREY = {"1", "L", "LA", "La"}
DEEP_GREY = {"I", "I;16", "I;16L", "I;16B", "I;16N"}  # 16 bits, which Pillow would clip instead of scaling
# To read EPS is to run a program that the file brings; of the others Pillow knows the header alone.
UNREAD = {"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"}
# Formats in which several pictures in a file are not an animation: views of one photograph, and layers.
STILLS = {"MPO", "PSD"}
# JPEGs can be decoded at an eighth, a quarter or half of their sides, which is faster; below three times the size that is wanted it
# could be seen.
DRAFT = 3

Opener = Callable[[], Image.Image]


@dataclass(frozen=True, eq=False)
class Picture:
    """The pixels of an image, and what it was before it was fitted."""

    pixels: np.ndarray  # (c, h, w) uint8; one channel if the image is grey, otherwise three
    mode: str  # as Pillow calls it
    shape: tuple[int, int]  # height and width, upright


class Unreadable(Exception):
    """An image cannot be read; the words go on a sentence that begins with its name."""


@cache
def formats() -> tuple[str, ...]:
    """What Pillow reads here, but for `UNREAD`."""
    Image.init()
    return tuple(name for name in Image.OPEN if name not in UNREAD)


@cache
def endings() -> frozenset[str]:
    """The file endings of `formats`, such as ``.png``."""
    readable = formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in readable)


@contextmanager
def strict() -> Iterator[None]:
    """Within it, Pillow's warning of a decompression bomb is an error, and its other warnings are not shown.

    Warning filters belong to the whole process, so enter it before any thread that reads begins.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_file(path: str | Path, how: ReadOptions = ReadOptions()) -> Picture:
    """The picture in the file at ``path``; see `read_picture`."""
    return read_picture(lambda: Image.open(path, formats=formats()), how)


def read_picture(opened: Opener, how: ReadOptions = ReadOptions()) -> Picture:
    """What ``opened`` gives, upright as its EXIF data say, of the size that is wanted; transparency is left out.

    Raises:
        Unreadable: if it is damaged, no image, an animation, or suspiciously large.
    """
    try:
        with opened() as image:
            if getattr(image, "is_animated", False) and image.format not in STILLS:
                raise Unreadable(f"holds {getattr(image, 'n_frames', 'several')} pictures, as an animation or a document does")
            mode, size, wanted = image.mode, image.size, how.shape
            if wanted is not None:
                image.draft(None, (DRAFT * max(wanted), DRAFT * max(wanted)))
            stored = image.size  # less than `size` if it is decoded smaller
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            shape = size if image.size != stored else (size[1], size[0])
            picture = _in_bytes(image)
    except (MemoryError, Unreadable):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise Unreadable(
            f"would unpack to more than the {Image.MAX_IMAGE_PIXELS or 0:,} pixels that are thought safe (a decompression bomb?)"
        ) from problem
    except UnidentifiedImageError as problem:
        raise Unreadable("cannot be read as an image: it is empty, damaged, or of a format that Pillow does not know") from problem
    except Exception as problem:  # Pillow's readers raise errors of many types on damaged files
        raise Unreadable(f"cannot be read as an image, or is damaged or truncated: {problem}".rstrip(".")) from problem
    if wanted is not None:
        picture = fitted(picture, wanted, how.fit)
    pixels = np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)
    return Picture(pixels, mode, shape)


def fitted(picture: Image.Image, shape: tuple[int, int], fit: Fit) -> Image.Image:
    """``picture`` scaled to ``shape`` (height, width): its centre, or all of it between black bars."""
    size = (shape[1], shape[0])
    if picture.size == size:
        return picture
    if fit == "pad":
        return ImageOps.pad(picture, size, Image.Resampling.BICUBIC)
    return ImageOps.fit(picture, size, Image.Resampling.BICUBIC)


def resized(images: Tensor, shape: tuple[int, int], fit: Fit, origin: str) -> Tensor:
    """``images`` (n, c, h, w) uint8, each made ``shape`` (height, width) by `fitted`."""
    count, channels, height, width = images.shape
    if (height, width) == shape:
        return images
    memory.require(2 * count * channels * shape[0] * shape[1], f"{origin} at {as_text(shape)}", "Give a smaller size.")
    result = torch.empty((count, channels, *shape), dtype=torch.uint8)
    for target, image in zip(result, images, strict=True):
        array = image.permute(1, 2, 0).numpy()
        picture = fitted(Image.fromarray(array[..., 0] if channels == 1 else np.ascontiguousarray(array)), shape, fit)
        target.copy_(torch.from_numpy(np.atleast_3d(np.array(picture))).permute(2, 0, 1))
    return result


def _in_bytes(image: Image.Image) -> Image.Image:
    """Grey or RGB, eight bits a channel."""
    if image.mode in DEEP_GREY:
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise Unreadable("holds floating point pixels, whose range no one knows; it should have 8 or 16 bits")
    grey = image.mode in GREY
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    wanted = "L" if grey else "RGB"
    return image if image.mode == wanted else image.convert(wanted)
