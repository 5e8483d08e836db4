"""Listing of the runs below a folder, from their small files alone; torch is not imported."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.records import as_record, read_record
from condensation.core.storage import read_json
from condensation.core.user_code import short_name
from condensation.evaluation.scores import Scores, SetScore
from condensation.runs.files import LOG, SCORES, SET, SETTINGS, has_checkpoint
from condensation.runs.loss_log import last_line

FINISHED, NOT_EVALUATED, STOPPED, NOT_BEGUN, DAMAGED = "finished", "not evaluated", "unfinished", "not begun", "damaged"
MOST_FOLDERS = 100_000


@dataclass(frozen=True)
class RunRecord:
    """Part of the settings of a run that is listed."""

    data: dict[str, Any]
    method: dict[str, Any]
    ipc: int | dict[str, int]
    seed: int
    evaluation: dict[str, Any]


@dataclass(frozen=True)
class ListedRun:
    """A run folder and what its files tell; fields are empty if the files are damaged."""

    folder: Path
    state: str
    data: str = ""
    method: str = ""
    ipc: str = ""
    seed: int | None = None
    score: SetScore | None = None
    """Score of the set; None if it was not evaluated."""
    random: SetScore | None = None
    """Score of as many random real images."""
    step: int | None = None
    """Last step in the log; None without steps."""
    steps: int | None = None
    """Steps of the method; None if its settings do not name them."""
    minutes: float | None = None
    """Time of condensing and evaluating, without reading the data; None if it was not recorded."""
    problem: str = ""
    """Error of a damaged run, in one line."""


def runs_below(folder: Path) -> Iterator[ListedRun]:
    """Yield the runs in ``folder`` and below in the order of their paths. Raise CondensationError if there is no such folder."""
    if not folder.is_dir():
        raise CondensationError(f"There is no folder {folder}.", hint="Name a folder of runs.")
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        path = Path(place)
        if SETTINGS in files and (listed := _listed(path)):
            names.clear()  # nothing in a run is a run
            yield listed


def _listed(folder: Path) -> ListedRun | None:
    """Return the run in ``folder``; None if its settings are those of something else, such as a study."""
    try:
        content = read_json(folder / SETTINGS)
        settings = content.get("settings") if isinstance(content, dict) else None
        if not isinstance(settings, dict) or not {"method", "ipc", "evaluation", "baseline"} <= settings.keys():
            return None
        record = as_record(settings, RunRecord, str(folder / SETTINGS))
        scores = read_record(folder / SCORES, Scores) if (folder / SCORES).exists() else None
    except CondensationError as error:
        return ListedRun(folder, DAMAGED, problem=error.message.splitlines()[0])
    last, sets = last_line(folder / LOG), list(scores.sets.items()) if scores else []
    seconds = [score.seconds for _, score in sets if score.seconds is not None] + ([last.seconds] if last else [])
    steps = record.method.get("steps")
    return ListedRun(
        folder,
        _state(folder, record, scores),
        str(record.data.get("source", "")),
        short_name(str(record.method.get("name", ""))),
        str(record.ipc) if isinstance(record.ipc, int) else "mixed",
        record.seed,
        sets[0][1] if sets else None,
        scores.random if scores else None,
        last.step if last else None,
        steps if isinstance(steps, int) else None,
        sum(seconds) / 60 if seconds else None,
    )


def _state(folder: Path, record: RunRecord, scores: Scores | None) -> str:
    if scores or (not record.evaluation.get("networks") and (folder / SET).exists()):
        return FINISHED
    if (folder / SET).exists():
        return NOT_EVALUATED
    return STOPPED if has_checkpoint(folder) else NOT_BEGUN
