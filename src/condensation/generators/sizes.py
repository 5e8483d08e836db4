"""Which images a generator that doubles its side block by block can make."""

from __future__ import annotations

from condensation.core.errors import CondensationError
from condensation.core.images import Shape

SMALLEST = 16
SIZES = "16x16, 28x28, 32x32, 64x64, 128x128 and so on, doubling"


def upsampling_plan(image_shape: Shape, method: str) -> tuple[int, int]:
    """The side of the smallest map, and how often it is doubled to make images of ``image_shape``.

    Raises:
        CondensationError: if they are not square, or their side is neither 28 nor a power of two from 16.
    """
    _, height, width = image_shape
    if height == width == 28:
        return 7, 2
    if height != width or height < SMALLEST or height & (height - 1):
        raise CondensationError(
            f"{method} cannot make images of {height}x{width} pixels; it makes {SIZES}.\n"
            "Load the images at such a size, as with data.size=32, or choose another method."
        )
    return 4, (height // 4).bit_length() - 1
