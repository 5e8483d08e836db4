"""``set.pt``: a dictionary of tensors as ``torch.save`` writes it, which ``torch.load(..., weights_only=True)`` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from condensation.artifacts.export.base import Export, constants, labels_key
from condensation.artifacts.set_file import SOFT, whole_card
from condensation.core.images import ImageSet


def write_torch(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """``images`` (n, c, h, w) float32, ``labels`` (n,), ``class_names``, the constants for test images, and ``card`` as JSON.

    Soft labels, where there are any, are beside the others, as ``soft_labels`` (n, classes).
    """
    content = {
        # Copies, since a view would bring the whole of what it is a view of into the file.
        "images": images.inputs().float().clone(),
        "labels": images.labels.clone(),
        **({SOFT: images.soft_labels.values.clone()} if images.soft_labels else {}),
        "class_names": list(images.class_names),
        "card": json.dumps(whole_card(images, card), ensure_ascii=False),
        **constants(images),
    }
    torch.save(content, folder / "set.pt")


def _lines(images: ImageSet) -> str:
    return f"""file = torch.load("set.pt", weights_only=True)
images, labels = file["images"], file["{labels_key(images)}"]
dataset = torch.utils.data.TensorDataset(images, labels)"""


TORCH = Export(
    name="torch",
    what="`set.pt` holds a dictionary of tensors",
    exact=True,
    pictures=False,
    suffix=".pt",
    imports="import torch",
    lines=_lines,
    tensor='file["{}"]',
    write=write_torch,
)
