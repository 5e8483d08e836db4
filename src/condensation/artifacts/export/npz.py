"""Export as ``set.npz``: exact float arrays."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from condensation.artifacts.export.base import Export, labels_key, preprocessing_constants
from condensation.artifacts.set_file import SOFT_LABELS, complete_card
from condensation.core.images import ImageSet


def contents(images: ImageSet, card: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[str], str]:
    """Return the tensors of an exact export (images as float32 network inputs), the class names, and the card as JSON."""
    soft = {SOFT_LABELS: images.soft_labels.values} if images.soft_labels else {}
    tensors = {"images": images.inputs().float(), "labels": images.labels, **soft, **preprocessing_constants(images)}
    return tensors, list(images.class_names), json.dumps(complete_card(images, card), ensure_ascii=False)


def write_npz(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """Write the `contents` as numpy arrays."""
    tensors, names, text = contents(images, card)
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
    np.savez_compressed(folder / "set.npz", **arrays, class_names=np.array(names), card=np.array(text))


def _code(images: ImageSet) -> str:
    return f"""file = dict(np.load("set.npz"))
images, labels = torch.from_numpy(file["images"]), torch.from_numpy(file["{labels_key(images)}"])"""


NPZ = Export(
    name="npz",
    write=write_npz,
    contents="`set.npz` holds numpy arrays",
    imports="import numpy as np\nimport torch",
    code=_code,
    suffix=".npz",
    exact=True,
    tensor='torch.from_numpy(file["{}"])',
)
