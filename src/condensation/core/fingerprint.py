"""Digest of the content of an image set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from condensation.core.stored_images import in_blocks

if TYPE_CHECKING:
    from condensation.core.images import ImageSet


class ContentDigest:
    """Digest of images that are added in their order, and of what belongs to them."""

    def __init__(self, shape: Sequence[int], dtype: str, class_names: tuple[str, ...]) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._digest.update(repr((tuple(shape), dtype, class_names)).encode())

    def add(self, values: Tensor) -> None:
        """Add a tensor; images that stay in files are read some at a time."""
        for block in in_blocks(values):
            self._digest.update(block.cpu().contiguous().numpy().data)

    def add_text(self, text: str) -> None:
        self._digest.update(text.encode())

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def content_digest(images: ImageSet) -> str:
    """Return a digest of all pixels, labels, names and soft labels."""
    digest = ContentDigest(images.images.shape, str(images.images.dtype), images.class_names)
    for tensor in (images.images, images.labels, *([images.soft_labels.values] if images.soft_labels else [])):
        digest.add(tensor)
    if images.form:
        digest.add_text(repr(images.form))
    return digest.hexdigest()
