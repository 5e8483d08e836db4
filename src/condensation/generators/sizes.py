"""Image sizes of generators that double the side block by block."""

from condensation.core.errors import CondensationError
from condensation.core.images import Shape


def upsampling_plan(image_shape: Shape, method: str) -> tuple[int, int]:
    """Return the smallest side and the doublings for square images of 28 or 2^n >= 16 pixels. Raise CondensationError for others."""
    _, height, width = image_shape
    if height == width == 28:
        return 7, 2
    if height != width or height < 16 or height & (height - 1):
        message = f"{method} cannot generate images of {height}x{width} pixels; it supports 28x28 and powers of 2 from 16x16."
        raise CondensationError(message, hint="Load images of a supported size (size=32), or choose another method.", setting="data.size")
    return 4, (height // 4).bit_length() - 1
