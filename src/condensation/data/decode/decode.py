"""Decoding of image files with Pillow, and scaling to one size."""

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
from condensation.data.dataset import Fit, ReadOptions, format_shape
from condensation.data.own_output import is_marked

GREY = {"1", "L", "LA", "La"}
DEEP_GREY = {"I", "I;16", "I;16L", "I;16B", "I;16N"}  # 16 bits, which Pillow would clip instead of scaling
# Reading EPS runs a program in the file; of the other formats Pillow reads only the header.
EXCLUDED = {"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"}
# Formats with several images per file that are not animations: views of one photograph, and layers.
STILLS = {"MPO", "PSD"}
# JPEG decodes faster at 1/8, 1/4 or 1/2 of its size; below three times the target size the difference may be visible.
DRAFT = 3

Opener = Callable[[], Image.Image]


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """Pixels of an image, and its mode and size in the file."""

    pixels: np.ndarray  # (c, h, w) uint8; one channel if the image is grey, otherwise three
    mode: str  # Pillow's name
    shape: tuple[int, int]  # height and width, upright, before scaling


class UnreadableImage(Exception):
    """An image that cannot be read; the message continues a sentence that begins with its name."""


class OwnPicture(Exception):
    """A picture that this program drew, such as the grid of a run, which is no image of a data set."""


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the formats that this installation of Pillow reads, except `EXCLUDED`."""
    Image.init()
    return tuple(name for name in Image.OPEN if name not in EXCLUDED)


@cache
def image_suffixes() -> frozenset[str]:
    """Return the file suffixes of `readable_formats`, such as ``.png``."""
    names = readable_formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in names)


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Raise on Pillow's decompression-bomb warning and hide its other warnings.

    Warning filters are global to the process: enter before starting threads that decode.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode_file(path: str | Path, options: ReadOptions = ReadOptions()) -> DecodedImage:
    """Return the image in the file at ``path``; see `decode_image`."""
    return decode_image(lambda: Image.open(path, formats=readable_formats()), options)


def decode_image(open_image: Opener, options: ReadOptions = ReadOptions()) -> DecodedImage:
    """Return the image of ``open_image``, turned upright by its EXIF tag and scaled; transparency is dropped.

    Raise UnreadableImage if it is damaged, not an image, an animation, or a decompression bomb, and OwnPicture if this program drew it.
    """
    try:
        with open_image() as image:
            if getattr(image, "is_animated", False) and image.format not in STILLS:
                raise UnreadableImage(f"contains {getattr(image, 'n_frames', 'several')} images (an animation or a document)")
            mode, size, shape = image.mode, image.size, options.shape
            if shape is not None:
                image.draft(None, (DRAFT * max(shape), DRAFT * max(shape)))
            stored = image.size  # smaller than `size` after a draft
            image.load()
            if is_marked(image):
                raise OwnPicture
            ImageOps.exif_transpose(image, in_place=True)
            original = size if image.size != stored else (size[1], size[0])
            picture = _to_8_bit(image)
    except (MemoryError, UnreadableImage, OwnPicture):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise UnreadableImage(f"would decode to more than {limit} pixels, the safe limit (a decompression bomb?)") from problem
    except UnidentifiedImageError as problem:
        raise UnreadableImage("cannot be read as an image: it is empty, damaged, or of a format unknown to Pillow") from problem
    except Exception as problem:  # Pillow's readers raise errors of many types on damaged files
        raise UnreadableImage(f"cannot be read as an image, or is damaged or truncated: {problem}".rstrip(".")) from problem
    if shape is not None:
        picture = fit_image(picture, shape, options.fit)
    return DecodedImage(np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1), mode, original)


def fit_image(image: Image.Image, shape: tuple[int, int], fit: Fit) -> Image.Image:
    """Return ``image`` scaled to ``shape`` (height, width), cropped to its centre or padded with black."""
    size = (shape[1], shape[0])
    if image.size == size:
        return image
    if fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.BICUBIC)
    return ImageOps.fit(image, size, Image.Resampling.BICUBIC)


def resize_images(images: Tensor, shape: tuple[int, int], fit: Fit, origin: str) -> Tensor:
    """Return ``images`` (n, c, h, w) uint8 scaled to ``shape`` (height, width) by `fit_image`."""
    count, channels, height, width = images.shape
    if (height, width) == shape:
        return images
    memory.require(2 * count * channels * shape[0] * shape[1], f"{origin} at {format_shape(shape)}", "Set a smaller size (size=...).")
    result = torch.empty((count, channels, *shape), dtype=torch.uint8)
    for target, image in zip(result, images, strict=True):
        array = image.permute(1, 2, 0).numpy()
        scaled = fit_image(Image.fromarray(array[..., 0] if channels == 1 else np.ascontiguousarray(array)), shape, fit)
        target.copy_(torch.from_numpy(np.atleast_3d(np.array(scaled))).permute(2, 0, 1))
    return result


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Return ``image`` in grey or RGB with 8 bits per channel."""
    if image.mode in DEEP_GREY:
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise UnreadableImage("contains floating-point pixels of unknown range, expected 8 or 16 bits")
    target = "L" if image.mode in GREY else "RGB"
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == target else image.convert(target)
