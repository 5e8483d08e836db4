"""Arrays and tensors of any common layout as uint8 pixels, channels first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from condensation.core.errors import CondensationError

CHUNK = 1024  # images turned from floats to bytes at a time


def as_pixels(images: npt.ArrayLike | Tensor, origin: str) -> Tensor:
    """``images`` as (n, c, h, w) uint8, a view where that is possible.

    They are uint8 or floats in [0, 1]; floats are rounded to 8 bits. Their shape is (n, h, w), (n, h, w, c) or
    (n, c, h, w) with one or three channels. Where both ends could be the channels, a tensor has them first and an array last.

    Raises:
        CondensationError: for any other type, range or shape; it calls the images ``origin``.
    """
    if isinstance(images, Tensor):
        return _channels_first(_as_bytes(images.detach().cpu(), origin), True, origin)
    array = np.asarray(images)
    if array.dtype.kind not in "uf" or array.dtype.itemsize > 8:
        raise _wrong_type(array.dtype, origin)
    return _channels_first(_as_bytes(torch.from_numpy(np.require(array, requirements=["C", "W"])), origin), False, origin)


def as_labels(labels: npt.ArrayLike | Tensor, origin: str) -> Tensor:
    """``labels`` as (n,) int64.

    Raises:
        CondensationError: if they are not a row of whole numbers.
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise CondensationError(
            f"Labels in {origin} must be one whole number an image, from 0; these are {array.dtype} of shape {array.shape}."
        )
    return torch.from_numpy(array.astype(np.int64))


def _wrong_type(dtype: object, origin: str) -> CondensationError:
    return CondensationError(f"Images in {origin} are {dtype}.\nGive uint8 from 0 to 255, or floats from 0 to 1.")


def _as_bytes(images: Tensor, origin: str) -> Tensor:
    if images.numel() == 0:
        raise CondensationError(f"There is no pixel in {origin}: its images have the shape {tuple(images.shape)}.")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise _wrong_type(images.dtype, origin)
    low, high = (float(end) for end in images.aminmax())
    if not (low >= 0 and high <= 1):  # so that NaN is refused too
        raise CondensationError(
            f"Images in {origin} are floats from {low:g} to {high:g}; they must lie in 0 to 1.\n"
            "Undo their normalisation, or divide by the largest value; this package normalises them itself."
        )
    stored = torch.empty(images.shape, dtype=torch.uint8)
    for target, chunk in zip(torch.split(stored, CHUNK), torch.split(images, CHUNK), strict=True):
        target.copy_((chunk.float() * 255).round_())
    return stored


def _channels_first(images: Tensor, tensor_like: bool, origin: str) -> Tensor:
    if images.ndim == 3:
        return images.unsqueeze(1)
    if images.ndim == 4:
        first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
        if first and (tensor_like or not last):
            return images
        if last:
            return images.permute(0, 3, 1, 2)
    raise CondensationError(
        f"Images in {origin} have the shape {tuple(images.shape)}.\n"
        "Give (n, height, width), (n, height, width, channels) or (n, channels, height, width), with one or three channels."
    )
