"""Pictures as the bytes of a file."""

import io
from pathlib import Path

from PIL import Image

from condensation.core.errors import CondensationError


def encode_picture(picture: Image.Image, path: Path) -> bytes:
    """Return ``picture`` in the format that the suffix of ``path`` names.

    Raises:
        CondensationError: if the suffix names no image format that can be written.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    buffer = io.BytesIO()
    try:
        picture.save(buffer, kind or "")
    except (KeyError, OSError, ValueError):
        hint = "Choose a name that ends in .png, such as out=grid.png."
        raise CondensationError(f"No picture can be written as {path}.", hint=hint) from None
    return buffer.getvalue()
