"""``set.npz``: float arrays as a network sees them, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from condensation.artifacts.export.base import Export, constants, labels_key
from condensation.artifacts.set_file import SOFT, whole_card
from condensation.core.images import ImageSet


def write_npz(images: ImageSet, card: Mapping[str, Any], folder: Path) -> None:
    """``images`` (n, c, h, w) float32, ``labels`` (n,), ``class_names``, the constants for test images, and ``card`` as JSON.

    Soft labels, where there are any, are beside the others, as ``soft_labels`` (n, classes).
    """
    arrays: dict[str, Any] = {
        "images": images.inputs().float().numpy(),
        "labels": images.labels.numpy(),
        **({SOFT: images.soft_labels.values.numpy()} if images.soft_labels else {}),
        "class_names": np.array(images.class_names),
        "card": np.array(json.dumps(whole_card(images, card), ensure_ascii=False)),
        **{name: tensor.numpy() for name, tensor in constants(images).items()},
    }
    np.savez_compressed(folder / "set.npz", **arrays)


def _lines(images: ImageSet) -> str:
    return f"""file = dict(np.load("set.npz"))
images, labels = torch.from_numpy(file["images"]), torch.from_numpy(file["{labels_key(images)}"])
dataset = torch.utils.data.TensorDataset(images, labels)"""


NPZ = Export(
    name="npz",
    what="`set.npz` holds arrays of numpy",
    exact=True,
    pictures=False,
    suffix=".npz",
    imports="import numpy as np\nimport torch",
    lines=_lines,
    tensor='torch.from_numpy(file["{}"])',
    write=write_npz,
)
