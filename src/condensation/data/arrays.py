"""Images as tensors, channels first, from arrays and tensors of the usual layouts, and their conversion to 8 bits."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.data.dataset import PIXEL_RANGE, RawSplit
from condensation.data.pixel_range import HINT, UNIT, PixelRange, find_problem, fitting_range, range_note, to_bytes

CHUNK = 1024  # images converted at a time


def as_pixels(images: npt.ArrayLike | Tensor, origin: str) -> Tensor:
    """Return ``images`` as (n, c, h, w), as a view if possible; `scale_splits` converts other types than uint8.

    Inputs are integers, floats or booleans; (n, h, w), (n, h, w, c) or (n, c, h, w) with one or three channels. If both axes could be
    the channels, tensors have them first and arrays last. Raise CondensationError, naming ``origin``, for anything else.
    """
    if isinstance(images, Tensor):
        images = images.detach().cpu()
        array = (images.float() if images.dtype == torch.bfloat16 else images).numpy()
    else:
        try:
            array = np.asarray(images)
        except ValueError:  # a list of images of several sizes
            raise CondensationError(f"Images in {origin} differ in shape.", hint="Resize them to one size first.") from None
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise CondensationError(f"Images in {origin} are {array.dtype}.", hint="Pass uint8 from 0 to 255, or floats from 0 to 1.")
    if array.size == 0:
        raise CondensationError(f"{origin} has no pixels: its images have the shape {array.shape}.")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return _channels_first(torch.from_numpy(array), isinstance(images, Tensor), origin)


def scale_splits(train: RawSplit, test: RawSplit | None, pixel_range: PixelRange | None) -> tuple[RawSplit, RawSplit | None, str]:
    """Return both splits with images as uint8, and a note for the user about their range.

    Floats are expected in [0, 1]. Integers of more than 8 bits have one range in both splits, which holds their largest value.
    ``pixel_range`` is used instead of both. Raise CondensationError if values are outside.
    """
    note, peak = "", 0.0
    splits = [split for split in (train, test) if split is not None and split.images.dtype != torch.uint8]
    for split in splits:
        values = split.images.numpy()
        low, high, integers = float(values.min()), float(values.max()), not split.images.is_floating_point()
        if problem := find_problem(low, high, integers, pixel_range):
            division = " Or divide by 255." if 1 < high <= 255 and low >= 0 and not integers else ""
            normalized = " Or undo their normalization: `preprocessing` normalizes them." if low < 0 and not integers else ""
            hint = f"{HINT}.{division}{normalized}"
            raise CondensationError(f"Images in {split.origin} {problem}.", hint=hint, setting=PIXEL_RANGE)
        peak = max(peak, high if integers else 0)
    if pixel_range is None and any(not split.images.is_floating_point() for split in splits):
        note = range_note(f"Images in {train.origin}", fitting_range(peak))
    scaled = [_scaled(split, pixel_range, peak) if split in splits else split for split in (train, test) if split is not None]
    return scaled[0], scaled[1] if test is not None else None, note


def _scaled(split: RawSplit, pixel_range: PixelRange | None, peak: float) -> RawSplit:
    chosen = pixel_range or (UNIT if split.images.is_floating_point() else fitting_range(peak))
    pixels = torch.empty_like(split.images, dtype=torch.uint8)
    for target, chunk in zip(torch.split(pixels, CHUNK), torch.split(split.images, CHUNK), strict=True):
        target.copy_(torch.from_numpy(to_bytes(chunk.numpy(), chosen)))
    return replace(split, images=pixels)


def as_labels(labels: npt.ArrayLike | Tensor, origin: str) -> Tensor:
    """Return ``labels`` as (n,) int64, from integers (n,) or (n, 1), or one-hot rows (n, classes). Raise CondensationError for others."""
    try:
        array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    except ValueError:  # nested lists of several lengths
        array = np.empty((), dtype=object)
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf":
        wrong = np.flatnonzero(((array != 0).sum(1) != 1) | (array.max(1) != 1))
        if len(wrong):
            message = f"Row {wrong[0]} of the labels in {origin} has {array.shape[1]} values that are not one-hot (a single 1)."
            raise CondensationError(message, hint="Pass one integer label per image: labels.argmax(1) takes the largest value of each row.")
        array = array.argmax(1)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        message = f"Expected one integer label per image in {origin}, shape (n,), got {array.dtype} of shape {array.shape}."
        raise CondensationError(message, hint="Pass integers from 0, strings, or one-hot rows.")
    return torch.from_numpy(array.astype(np.int64))


def _channels_first(images: Tensor, prefer_first: bool, origin: str) -> Tensor:
    if images.ndim == 3:
        return images.unsqueeze(1)
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and (prefer_first or not last):
            return images
        if last:
            return images.permute(0, 3, 1, 2)
    hint = "Pass (n, height, width), (n, height, width, channels) or (n, channels, height, width), with one or three channels."
    raise CondensationError(f"Images in {origin} have the shape {tuple(images.shape)}.", hint=hint)
