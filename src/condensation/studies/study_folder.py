"""Folder of a study: its settings, and what it records of data and machine."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from condensation.config.build import from_dict
from condensation.core.environment import machine, versions
from condensation.core.errors import CondensationError, naming
from condensation.core.plain import first_difference, to_dict
from condensation.core.records import read_record
from condensation.core.storage import entries, remove_unfinished, write_json
from condensation.core.trust import Trust, from_file, given_names
from condensation.data.dataset import Data

SETTINGS = "settings.json"
FORMAT = 2  # of this file and of the JSON report; in the first, the preset `classic` was called `fast`
S = TypeVar("S", bound=Any)  # settings of a study, with a noun and a mark


@dataclass(frozen=True)
class StudyRecord:
    """Settings, data and machine of a study, as ``settings.json`` and the JSON report hold them."""

    settings: dict[str, Any]
    format: int = 1
    data: Any = None
    versions: dict[str, Any] | None = None
    machine: dict[str, Any] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Data, versions and machine for the JSON report."""
        return {"data": self.data, "versions": self.versions, "machine": self.machine}


def claim_folder(folder: Path, settings: S, decisive: Callable[[S], Mapping[str, Any]]) -> None:
    """Raise CondensationError unless ``folder`` is free, or holds a study that agrees in all plain ``decisive`` settings."""
    if entries(folder):
        saved = settings_in(folder, type(settings), trust=given_names(to_dict(settings)))
        difference = first_difference(decisive(saved), decisive(settings))
        if difference:
            raise CondensationError(f"{folder} holds another {settings.noun}: {difference}.", hint="Choose another folder (out=...).")


def write_settings(folder: Path, settings: object, *data: Data) -> None:
    """Write settings, data, versions and machine; several data sets become a list. Remove what a killed process left unfinished."""
    for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        remove_unfinished(place)
    about = [{"name": each.name, "note": each.note, "train": len(each.train), "test": len(each.test), **each.details} for each in data]
    content = {"format": FORMAT, "settings": to_dict(settings), "data": about[0] if len(about) == 1 else about}
    write_json(folder / SETTINGS, {**content, "versions": versions(), "machine": machine()})


def record_path(folder: Path, report: str) -> Path:
    """Return the path of ``settings.json``, or of the JSON ``report`` where the former is gone."""
    return folder / (SETTINGS if (folder / SETTINGS).exists() else report)


def record_in(folder: Path, report: str) -> StudyRecord:
    """Return the record at `record_path`."""
    return read_record(record_path(folder, report), StudyRecord)


def settings_in(folder: str | Path, kind: type[S], report: str = SETTINGS, trust: Trust = False) -> S:
    """Return the settings of the study in ``folder``. Raise CondensationError if it holds no study of this ``kind``."""
    folder = Path(folder)
    if (folder / SETTINGS).exists() or (folder / report).exists():
        content = record_in(folder, report).settings
        if kind.mark in content:
            with naming(record_path(folder, report)):
                return from_dict(kind, from_file(content, folder / SETTINGS, trust))
    raise CondensationError(f"There is no {kind.noun} in {folder}.", hint="Name the folder of one, or make it first.")


def slug(label: str) -> str:
    """Return a label as part of a file name."""
    return re.sub(r"[^\w.]+", "-", label.lower()).strip("-")
