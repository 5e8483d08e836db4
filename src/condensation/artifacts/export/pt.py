"""Export as ``set.pt``: a dictionary of tensors for ``torch.load(..., weights_only=True)``."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from condensation.artifacts.export.base import Export, labels_key
from condensation.artifacts.export.npz import contents
from condensation.core.images import ImageSet


def write_torch(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """Write the `contents` with ``torch.save``."""
    tensors, names, text = contents(images, card)
    # Copies, because torch.save writes the whole storage of a view; to memory, because it reports a full disk as an error of its own.
    buffer = io.BytesIO()
    torch.save({**{name: tensor.clone() for name, tensor in tensors.items()}, "class_names": names, "card": text}, buffer)
    (folder / "set.pt").write_bytes(buffer.getvalue())


def _code(images: ImageSet) -> str:
    return f"""file = torch.load("set.pt", weights_only=True)
images, labels = file["images"], file["{labels_key(images)}"]"""


TORCH = Export(
    name="torch",
    write=write_torch,
    contents="`set.pt` holds a dictionary of tensors",
    imports="import torch",
    code=_code,
    suffix=".pt",
    exact=True,
    tensor='file["{}"]',
)
