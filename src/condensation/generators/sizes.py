"""Image sizes of generators that double the side block by block."""

from condensation.core.errors import CondensationError
from condensation.core.images import Shape

SMALLEST = 16


def upsampling_plan(image_shape: Shape, method: str) -> tuple[int, int]:
    """Return the side of the smallest map, and the number of doublings that give images of ``image_shape``.

    Raises:
        CondensationError: if the images are not square, or their side is neither 28 nor a power of two of at least 16.
    """
    _, height, width = image_shape
    if height == width == 28:
        return 7, 2
    if height != width or height < SMALLEST or height & (height - 1):
        raise CondensationError(
            f"{method} cannot generate images of {height}x{width} pixels; it supports 28x28, and 16x16 and its doublings.",
            hint="Load the images at such a size (size=32), or choose another method.",
            setting="data.size",
        )
    return 4, (height // 4).bit_length() - 1
