"""Export of a set for other programs; each format is a module here and an entry of `EXPORTS`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.artifacts.export.base import Export
from condensation.artifacts.export.card import write_card
from condensation.artifacts.export.hub import HUB
from condensation.artifacts.export.npz import NPZ
from condensation.artifacts.export.parquet import PARQUET
from condensation.artifacts.export.png import PNG
from condensation.artifacts.export.pt import TORCH
from condensation.core.errors import CondensationError, unknown
from condensation.core.images import ImageSet
from condensation.core.storage import new_folder, require_free

EXPORTS: dict[str, Export] = {form.name: form for form in (PNG, NPZ, PARQUET, TORCH, HUB)}
"""Formats of `CondensedSet.export`, by name.

>>> from condensation import EXPORTS
>>> sorted(EXPORTS)
['hub', 'npz', 'parquet', 'png', 'torch']
"""


def check(images: ImageSet, path: Path, to: str) -> None:
    """Check that `export` can write ``images``, before any work: the format exists and can hold this set, and the folder is free."""
    if to not in EXPORTS:
        raise unknown("export", to, EXPORTS)
    if path.suffix and path.suffix == EXPORTS[to].suffix:
        hint = f"Choose a name without {path.suffix} (out=...)."
        raise CondensationError(f"Expected a folder, which will hold the set and its card; got the file name {path}.", hint=hint)
    EXPORTS[to].check(images)
    require_free(path)


def export(images: ImageSet, card: Mapping[str, Any], path: Path, to: str) -> Path:
    """Write a set in the format ``to``, with a card that shows how to train on it, to the new folder ``path``, and return ``path``."""
    check(images, path, to)
    form, images = EXPORTS[to], images.to("cpu")
    with new_folder(path) as folder:
        form.write(images, card, folder)
        write_card(images, card, form, folder)
    return path
