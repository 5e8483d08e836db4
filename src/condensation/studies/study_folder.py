"""What every study keeps in its folder: settings, and what must be known of its data and of the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from condensation.config.build import from_dict
from condensation.core.checkpoint import difference
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, remove_unfinished, write_json
from condensation.data.dataset import Data

SETTINGS = "settings.json"
T = TypeVar("T")


def in_use(folder: Path) -> bool:
    """Whether there is anything in ``folder``.

    Raises:
        CondensationError: if it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise CondensationError(f"{folder} is a file; --out must name a folder.")
    return folder.is_dir() and any(folder.iterdir())


def must_be_alike(folder: Path, what: str, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse ``folder``, which holds ``what``, where plain settings that are ``wanted`` differ from those ``kept`` there.

    Raises:
        CondensationError: if so; it says in what.
    """
    differing = difference(kept, wanted)
    if differing:
        raise CondensationError(f"{folder} holds {what}: {differing}.\nChoose another folder with --out.")


def keep(folder: Path, settings: object, *data: Data) -> None:
    """Write down in ``folder`` what the study is, before its work; of several data, a list."""
    remove_unfinished(folder)
    about = [{"name": one.name, "note": one.note, "train": len(one.train), "test": len(one.test), **one.details} for one in data]
    content = {"settings": to_dict(settings), "data": about[0] if len(about) == 1 else about}
    write_json(folder / SETTINGS, {**content, "versions": versions(), "machine": machine()})


def kept_in(folder: str | Path, kind: type[T], mark: str, otherwise: str) -> T:
    """The settings of ``kind``, of which the one called ``mark`` tells them from those of other studies, that `keep` wrote.

    Raises:
        CondensationError: if there are none; it says ``otherwise``.
    """
    path = Path(folder) / SETTINGS
    content: Any = read_json(path) if path.exists() else None
    inner = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(inner, dict) or mark not in inner:
        raise CondensationError(otherwise)
    return from_dict(kind, inner)


def slug(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w.]+", "-", label.lower()).strip("-")
