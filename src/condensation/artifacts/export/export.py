"""A set as other programs read it: each format is a file here, and a line in `EXPORTS`."""

from __future__ import annotations

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

EXPORTS: dict[str, Export] = {"png": PNG, "npz": NPZ, "parquet": PARQUET, "torch": TORCH, "hub": HUB}


def check(images: ImageSet, path: Path, to: str) -> None:
    """Find out before any work whether `export` can do what is asked.

    Raises:
        CondensationError: if there is no such format, it cannot hold this set, or the folder is in use.
        MissingExtra: if the format needs a package that is not here.
    """
    if to not in EXPORTS:
        raise unknown("export", to, EXPORTS)
    how = EXPORTS[to]
    if path.suffix and path.suffix == how.suffix:
        raise CondensationError(
            f"{path} looks like a file; an export is a folder, which holds the set and its card.\nGive --out a name without {path.suffix}."
        )
    how.check(images)
    require_free(path)


def export(images: ImageSet, card: Mapping[str, Any], path: Path, to: str) -> Path:
    """Write a set as ``to``, with a card that says how to train on it, into a new folder ``path``, which is returned.

    Raises:
        CondensationError: as `check`, or if the folder cannot be written; nothing is then left behind.
    """
    check(images, path, to)
    how, images = EXPORTS[to], images.to("cpu")
    with new_folder(path) as folder:
        how.write(images, card, folder)
        write_card(images, card, how, folder)
    return path


__all__ = ["EXPORTS", "Export", "check", "export"]
