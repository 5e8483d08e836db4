"""Digest of the content of an image set."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from condensation.core.stored_images import in_blocks

if TYPE_CHECKING:
    from condensation.core.images import ImageSet


def content_digest(images: ImageSet) -> str:
    """Return a digest of all pixels, labels, names and soft labels; images that stay in files are read some at a time."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((tuple(images.images.shape), str(images.images.dtype), images.class_names)).encode())
    for tensor in (images.images, images.labels, *([images.soft_labels.values] if images.soft_labels else [])):
        for block in in_blocks(tensor):
            digest.update(block.cpu().contiguous().numpy().data)
    digest.update(repr(images.form).encode() if images.form else b"")
    return digest.hexdigest()
