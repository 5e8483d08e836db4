"""Conversion of pixels of any depth to 8 bits, with one range for all images of a data set."""

import math
from collections.abc import Sequence

import numpy as np

from condensation.core.errors import CondensationError, abridged

PixelRange = tuple[float, float]  # the values of black and white

UNIT: PixelRange = (0, 1)
DEEPEST: PixelRange = (0, 65535)
DEPTHS = (8, 10, 12, 14, 16)  # bits of cameras and scanners
ROUNDING = 1e-6  # floats may leave [0, 1] by this
LARGEST = 1e30  # larger values overflow in 32-bit floats
HINT = "Set the values of black and white: data.pixel_range=LOW,HIGH (in Python: pixel_range=(LOW, HIGH))"


def parse_pixel_range(value: str | Sequence[float] | None) -> PixelRange | None:
    """Return the values of black and white; raise CondensationError if ``value`` is malformed or empty."""
    if value is None:
        return None
    try:
        low, high = (float(end) for end in (value.split(",") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        low = high = math.nan
    if not -LARGEST < low < high < LARGEST:
        message = f"The pixel range is {abridged(repr(value))}, expected the values of black and white, separated by a comma."
        raise CondensationError(message, hint='Set pixel_range="0,4095", for example.', setting="data.pixel_range")
    return low, high


def fitting_range(peak: float) -> PixelRange:
    """Return the range from 0 to the largest value of the smallest of `DEPTHS` that holds ``peak``."""
    return 0, next(2**depth - 1 for depth in DEPTHS if peak < 2**depth)


def find_problem(low: float, high: float, integers: bool, pixel_range: PixelRange | None) -> str:
    """Return why pixels from ``low`` to ``high`` cannot be converted, as the rest of a sentence, or an empty string."""
    kind, (first, last), rounding = ("integers", DEEPEST, 0.0) if integers else ("floats", UNIT, ROUNDING)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "contain NaN or infinity; replace these values"
    if pixel_range is None and not first - rounding <= low <= high <= last + rounding:
        return f"are {kind} from {low:g} to {high:g}, expected {first} to {last}"
    return ""


def to_bytes(values: np.ndarray, pixel_range: PixelRange) -> np.ndarray:
    """Return ``values`` scaled from ``pixel_range`` to 0..255; integers are rounded down, floats to the nearest."""
    (low, high), integers = pixel_range, values.dtype.kind in "iu"
    scaled = (values.astype(np.float64 if integers else np.float32).clip(low, high) - low) * 255 / (high - low)
    return (np.floor(scaled) if integers else np.rint(scaled)).astype(np.uint8)


def range_note(what: str, pixel_range: PixelRange) -> str:
    """Return the sentence for the user about the range of the deep images ``what``."""
    if pixel_range == (0, 255):
        return f"{what} have more than 8 bits per value, but only values from 0 to 255; these were kept."
    return (
        f"{what} have more than 8 bits per value: 0 to {pixel_range[1]:g} was scaled to 0 to 255. "
        "data.pixel_range=LOW,HIGH sets another range."
    )
