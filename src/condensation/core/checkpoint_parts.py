"""Checkpoints of several processes: a file per process with the tensors of its classes, and a manifest that names the latest files.

A part has the names ``class/LABEL/NAME`` for tensors with a row per image or class, and ``common/NAME`` for others, so that any number of
processes can continue the work of any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.records import read_record
from condensation.core.storage import RESTORE
from condensation.core.tensor_files import read_card, read_tensors

MANIFEST = "manifest.json"
IMAGE_DIMS = 4  # of tensors with a row per image: pixels, their averages, the momentum of their optimizer
CLASS_DIMS = 3  # of tensors with a row per class: weights of one generator per class, the moments of their optimizer


class Rows(NamedTuple):
    """Rows of a class in tensors of several classes."""

    images: slice
    place: int
    """Index of the class."""


@dataclass(frozen=True)
class Manifest:
    """Steps whose parts are kept, the latest first, and the files of the latest."""

    steps: tuple[int, ...]
    files: tuple[str, ...]


def latest_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in ``folder``, None if there is none. Raise CondensationError if it is damaged."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_record(folder / MANIFEST, Manifest)
    if not manifest.steps or not manifest.files or any(Path(name).is_absolute() or ".." in Path(name).parts for name in manifest.files):
        raise CondensationError(f"{folder / MANIFEST} names no files of its folder.", hint=RESTORE)
    return manifest


def step_of(path: Path) -> int:
    """Return the step of a checkpoint file."""
    step = read_card(path, "checkpoint")[0].get("step")
    return step if isinstance(step, int) else 0


def by_class(tensors: Mapping[str, Tensor], classes: Mapping[int, Rows], count: int) -> dict[str, Tensor]:
    """Return ``tensors`` under the names of a part; those of ``count`` images are divided by ``classes``."""
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if _goes_by_image(tensor, count):
            named |= {f"class/{label}/{name}": tensor[rows.images] for label, rows in classes.items()}
        elif tensor.ndim == CLASS_DIMS:
            named |= {f"class/{label}/{name}": tensor[rows.place : rows.place + 1] for label, rows in classes.items()}
        else:
            named[f"common/{name}"] = tensor
    return named


def restricted(tensors: Mapping[str, Tensor], classes: Mapping[int, Rows]) -> dict[str, Tensor]:
    """Return the ``tensors`` of all images with the rows of ``classes`` alone."""
    images = torch.cat([torch.arange(rows.images.start, rows.images.stop) for rows in classes.values()])
    kept = {IMAGE_DIMS: images, CLASS_DIMS: torch.tensor([rows.place for rows in classes.values()])}
    return {name: tensor[kept[tensor.ndim]] if tensor.ndim in kept else tensor for name, tensor in tensors.items()}


def read_parts(folder: Path, manifest: Manifest, classes: Mapping[int, Rows] | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of ``classes``, by default all, in the order of labels, and the card. Only the files that have them are read."""
    by_name: dict[str, dict[int, Tensor]] = {}
    tensors: dict[str, Tensor] = {}
    card: dict[str, Any] = {}
    missing = set(classes or ())
    for file in (folder / name for name in manifest.files):
        card, _ = read_card(file, "checkpoint")
        if classes is not None and not missing & set(card.get("classes", ())):
            continue
        for name, tensor in read_tensors(file, "checkpoint")[0].items():
            kind, _, rest = name.partition("/")
            label, _, inner = rest.partition("/")
            if kind == "common":
                tensors[rest] = tensor
            elif classes is None or int(label) in classes:
                by_name.setdefault(inner, {})[int(label)] = tensor
        missing -= set(card.get("classes", ()))
    if missing:
        raise CondensationError(f"{folder} has no state of class {min(missing)}.", hint=RESTORE)
    return tensors | {name: torch.cat([parts[label] for label in sorted(parts)]) for name, parts in by_name.items()}, card


def _goes_by_image(tensor: Tensor, count: int) -> bool:
    return tensor.ndim == IMAGE_DIMS and len(tensor) == count
