"""Digest of the content of an image set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor

from condensation.core.stored_images import in_blocks


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


def content_digest(class_names: tuple[str, ...], images: Tensor, others: Sequence[Tensor | None], form: object = None) -> str:
    """Return a digest of the shape, type and values of ``images``, of the names, the ``others`` that are not None, and the form."""
    digest = ContentDigest(images.shape, str(images.dtype), class_names)
    for tensor in (images, *others):
        if tensor is not None:
            digest.add(tensor)
    if form:
        digest.add_text(repr(form))
    return digest.hexdigest()
