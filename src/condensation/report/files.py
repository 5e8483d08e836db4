"""Pictures as the bytes of a file, whose kind its name says."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from condensation.core.errors import CondensationError


def encoded(picture: Image.Image, path: Path) -> bytes:
    """What is to be written to ``path`` to have ``picture`` there.

    Raises:
        CondensationError: if no picture can have that name.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    buffer = io.BytesIO()
    try:
        picture.save(buffer, kind or "")
    except (KeyError, OSError, ValueError):
        raise CondensationError(
            f"No picture can be written as {path}.\nGive --out a name that ends in .png, for example grid.png."
        ) from None
    return buffer.getvalue()
