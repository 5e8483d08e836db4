"""Images as uint8 tensors, channels first, from arrays and tensors of the usual layouts."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from condensation.core.errors import CondensationError

CHUNK = 1024  # images converted from float at a time


def as_pixels(images: npt.ArrayLike | Tensor, origin: str) -> Tensor:
    """Return ``images`` as (n, c, h, w) uint8, as a view if possible.

    Inputs are uint8, or floats in [0, 1], rounded to 8 bits; (n, h, w), (n, h, w, c) or (n, c, h, w) with one or three channels. If
    both axes could be the channels, tensors have them first and arrays last. Raise CondensationError, naming ``origin``, for anything
    else.
    """
    if isinstance(images, Tensor):
        return _channels_first(_to_uint8(images.detach().cpu(), origin), True, origin)
    try:
        array = np.asarray(images)
    except ValueError:  # a list of images of several sizes
        raise CondensationError(f"Images in {origin} differ in shape; expected one array.", hint="Resize them to one size first.") from None
    if array.dtype.kind not in "uf" or array.dtype.itemsize > 8:
        raise _wrong_type(array.dtype, origin)
    return _channels_first(_to_uint8(torch.from_numpy(np.require(array, requirements=["C", "W"])), origin), False, origin)


def as_labels(labels: npt.ArrayLike | Tensor, origin: str) -> Tensor:
    """Return ``labels`` as (n,) int64; raise CondensationError if they are not a vector of integers."""
    try:
        array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    except ValueError:  # nested lists of several lengths
        array = np.empty((), dtype=object)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        hint = "Convert one-hot labels with labels.argmax(1)." if array.ndim == 2 else "Pass integers from 0, or strings."
        message = f"Expected one integer label per image in {origin}, shape (n,), got {array.dtype} of shape {array.shape}."
        raise CondensationError(message, hint=hint)
    return torch.from_numpy(array.astype(np.int64))


def _wrong_type(dtype: object, origin: str) -> CondensationError:
    return CondensationError(f"Images in {origin} are {dtype}.", hint="Pass uint8 from 0 to 255, or floats from 0 to 1.")


def _to_uint8(images: Tensor, origin: str) -> Tensor:
    if images.numel() == 0:
        raise CondensationError(f"{origin} has no pixels: its images have the shape {tuple(images.shape)}.")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise _wrong_type(images.dtype, origin)
    low, high = (float(end) for end in images.aminmax())
    if not (low >= 0 and high <= 1):  # also true for NaN
        message = f"Images in {origin} are floats from {low:g} to {high:g}, expected 0 to 1."
        raise CondensationError(message, hint="Undo their normalization, or divide by the maximum; `preprocessing` normalizes them.")
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    for target, chunk in zip(torch.split(pixels, CHUNK), torch.split(images, CHUNK), strict=True):
        target.copy_((chunk.float() * 255).round_())
    return pixels


def _channels_first(images: Tensor, prefer_first: bool, origin: str) -> Tensor:
    if images.ndim == 3:
        return images.unsqueeze(1)
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and (prefer_first or not last):
            return images
        if last:
            return images.permute(0, 3, 1, 2)
    raise CondensationError(
        f"Images in {origin} have the shape {tuple(images.shape)}.",
        hint="Pass (n, height, width), (n, height, width, channels) or (n, channels, height, width), with one or three channels.",
    )
