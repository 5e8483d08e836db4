"""Decoding of image files with Pillow, and scaling to one size."""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.core.regular_files import open_regular
from condensation.data.dataset import MAX_PIXELS, PIXEL_RANGE, SKIP_BAD, Fit, ReadOptions, format_shape
from condensation.data.own_output import is_marked
from condensation.data.pixel_range import DEEPEST, UNIT, PixelRange, find_problem, to_bytes

GREY = {"1", "L", "LA", "La"}
DEEP = {"I", "I;16", "I;16L", "I;16B", "I;16N", "F"}  # grey, which Pillow would clip instead of scaling
# Pillow keeps the first byte of each 16-bit value in colour. With these swapped raw modes, it keeps the second byte.
SECOND_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
# Reading EPS runs a program in the file; of the other formats Pillow reads only the header.
EXCLUDED = {"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"}
# Formats with several images per file that are not animations: views of one photograph, and layers.
STILLS = {"MPO", "PSD", "HEIF"}
# Suffix: format that this installation cannot read, and what to do.
UNREAD = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC (to read it: pip install pillow-heif)"),
    **dict.fromkeys((".avif", ".avifs"), "AVIF (to read it: pip install -U pillow)"),
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef"), "raw photographs (convert to TIFF)"),
    **{".jxl": "JPEG XL (convert to PNG)", ".svg": "SVG (convert to PNG)", ".dcm": "DICOM (convert to 16-bit PNG)"},
}
# JPEG decodes faster at 1/8, 1/4 or 1/2 of its size; below three times the target size the difference may be visible.
DRAFT = 3
# Images above Pillow's usual limit are decoded one at a time, since several would exhaust the memory.
LARGE = 89_478_485  # pixels
ROW = 8  # pixels that a row costs in addition to its own, which matters for images of one column
_LARGE_LOCK = threading.Lock()

Opener = Callable[[], Image.Image]


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """Pixels of an image, and its mode and size in the file."""

    pixels: np.ndarray  # (c, h, w) uint8; one channel if the image is grey, otherwise three
    mode: str  # Pillow's name
    shape: tuple[int, int]  # height and width, upright, before scaling
    peak: int | None = None  # largest value of integers of more than 8 bits that were scaled from `DEEPEST`


class UnreadableImage(Exception):
    """An image that cannot be read; the message continues a sentence that begins with its name."""

    def __init__(self, message: str, setting: str = SKIP_BAD) -> None:
        super().__init__(message)
        self.setting = setting  # the setting that makes the image readable, or `NORMALIZED`


class OwnPicture(Exception):
    """A picture that this program drew, such as the grid of a run, which is no image of a data set."""


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the formats that this installation of Pillow reads, except `EXCLUDED`."""
    Image.init()
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(name for name in Image.OPEN if name not in EXCLUDED)


@cache
def image_suffixes() -> frozenset[str]:
    """Return the file suffixes of `readable_formats`, such as ``.png``."""
    names = readable_formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in names)


@contextmanager
def strict_pillow(max_pixels: int | None = None) -> Iterator[None]:
    """Refuse images of more than ``max_pixels``, by default Pillow's limit, and hide warnings, globally: enter before starting threads."""
    usual = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            Image.MAX_IMAGE_PIXELS = max_pixels or usual
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def decode_file(path: str | Path, options: ReadOptions = ReadOptions()) -> DecodedImage:
    """Return the image in the file at ``path``; see `decode_image`."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in UNREAD and suffix not in image_suffixes():
        raise UnreadableImage(f"has a format that cannot be read: {UNREAD[suffix]}")
    try:
        with open_regular(path) as file:
            return decode_image(lambda: Image.open(file, formats=readable_formats()), options)
    except OSError as problem:
        raise UnreadableImage(f"cannot be read: {problem.strerror or problem}") from problem


def decode_image(open_image: Opener, options: ReadOptions = ReadOptions()) -> DecodedImage:
    """Return the image of ``open_image``, turned upright by its EXIF tag and scaled; transparency is dropped.

    Raise UnreadableImage if it is damaged, not an image, an animation, or a decompression bomb, and OwnPicture if this program drew it.
    """
    try:
        with open_image() as image:
            if getattr(image, "is_animated", False) and image.format not in STILLS:
                raise UnreadableImage("contains several images (an animation or a document)")  # counting them would read them all
            mode, size, shape = image.mode, image.size, options.shape
            if shape is not None:
                image.draft(None, (DRAFT * max(shape), DRAFT * max(shape)))
            stored = image.size  # smaller than `size` after a draft
            with _one_at_a_time(stored):
                raw_mode = _raw_mode(image)
                image.load()
                if is_marked(image):
                    raise OwnPicture
                ImageOps.exif_transpose(image, in_place=True)
                original = size if image.size != stored else (size[1], size[0])
                picture, peak = _to_8_bit(image, raw_mode, open_image, options.black_and_white)
                return _fitted(picture, mode, original, peak, options)
    except (MemoryError, CondensationError, UnreadableImage, OwnPicture):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise UnreadableImage(f"would decode to more than {limit} pixels, the safe limit (a decompression bomb?)", MAX_PIXELS) from problem
    except UnidentifiedImageError as problem:
        raise UnreadableImage("cannot be read as an image: it is empty, damaged, or of a format unknown to Pillow") from problem
    except Exception as problem:  # Pillow's readers raise errors of many types on damaged files
        raise UnreadableImage(f"cannot be read as an image, or is damaged or truncated: {problem}".rstrip(".")) from problem


def decode_values(values: np.ndarray, options: ReadOptions = ReadOptions()) -> DecodedImage:
    """Return the image of an array (h, w) or (h, w, 3) of integers or floats, scaled; see `decode_image`."""
    picture, peak = _scale(values, options.black_and_white)
    return _fitted(picture, str(values.dtype), (picture.height, picture.width), peak, options)


def _fitted(picture: Image.Image, mode: str, shape: tuple[int, int], peak: int | None, options: ReadOptions) -> DecodedImage:
    if options.shape is not None:
        picture = fit_image(picture, options.shape, options.fit)
    return DecodedImage(np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1), mode, shape, peak)


def fit_image(image: Image.Image, shape: tuple[int, int], fit: Fit) -> Image.Image:
    """Return ``image`` scaled to ``shape`` (height, width), cropped to its centre or padded with black."""
    size = (shape[1], shape[0])
    if image.size == size:
        return image
    return (ImageOps.pad if fit == "pad" else ImageOps.fit)(image, size, Image.Resampling.BICUBIC)


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


def _one_at_a_time(size: tuple[int, int]) -> AbstractContextManager[object]:
    """Return a lock for an image of more than `LARGE` pixels; raise NotEnoughMemory or DecompressionBombError if it is too large."""
    pixels = (size[0] + ROW) * size[1]
    if Image.MAX_IMAGE_PIXELS and pixels > 2 * Image.MAX_IMAGE_PIXELS:  # Pillow has checked all but the cost of rows
        raise Image.DecompressionBombError
    if pixels <= LARGE:
        return nullcontext()
    memory.require(8 * pixels, f"Decoding an image of {size[0]} x {size[1]} pixels", "Scale that image, or set a lower data.max_pixels.")
    return _LARGE_LOCK


def _raw_mode(image: Image.Image) -> str:
    """Return Pillow's name for the layout of the pixels in the file, or an empty string."""
    tiles = getattr(image, "tile", None)  # images that were not opened from a file have none
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _to_8_bit(image: Image.Image, raw_mode: str, open_image: Opener, pixel_range: PixelRange | None) -> tuple[Image.Image, int | None]:
    """Return ``image`` in grey or RGB with 8 bits per channel, and its peak; see `DecodedImage`."""
    if image.mode in DEEP:
        return _scale(np.asarray(image), pixel_range)
    if raw_mode == "LA;16B" and image.mode == "RGBA":  # four bytes per pixel: grey and alpha
        values = np.asarray(_load_as(open_image, "RGBA"))[..., :2].astype(np.uint16)
        return _scale(values[..., 0] * 256 + values[..., 1], pixel_range)
    target = "L" if image.mode in GREY else "RGB"
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    picture = image if image.mode == target else image.convert(target)
    if raw_mode not in SECOND_BYTE:
        return picture, None
    first = np.asarray(picture).astype(np.uint16)
    if pixel_range is None:
        return picture, int(first.max()) * 256 + 255
    second = np.asarray(_load_as(open_image, SECOND_BYTE[raw_mode]).convert("RGB"))
    return _scale(first * 256 + second, pixel_range)


def _load_as(open_image: Opener, raw_mode: str) -> Image.Image:
    """Return the image decoded with another layout of its pixels."""
    with open_image() as image:
        for index, (*tile, arguments) in enumerate(tiles := getattr(image, "tile", [])):
            tiles[index] = (*tile, (raw_mode, *arguments[1:]) if isinstance(arguments, tuple) else raw_mode)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return image.copy()


def _scale(values: np.ndarray, pixel_range: PixelRange | None) -> tuple[Image.Image, int | None]:
    """Return the picture of ``values`` (h, w) or (h, w, 3), and its peak; see `DecodedImage`."""
    low, high, integers = float(values.min()), float(values.max()), values.dtype.kind in "iu"
    if problem := find_problem(low, high, integers, pixel_range):
        raise UnreadableImage(f"has pixels that {problem}", PIXEL_RANGE if np.isfinite((low, high)).all() else SKIP_BAD)
    picture = Image.fromarray(to_bytes(values, pixel_range or (DEEPEST if integers else UNIT)))
    return picture, int(high) if integers and pixel_range is None else None
