"""What a table holds so far, read from its run folders: numbers beside published ones, and in what their settings differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.plain import to_dict
from condensation.core.storage import read_json
from condensation.runs.run import SCORES, RunSettings
from condensation.studies.jobs import FINISHED, Job, failures_in, state
from condensation.studies.published_numbers import Number, columns, published
from condensation.studies.scores import Scored
from condensation.studies.table.study import RUNS, Row, TableSettings, column_of, name_of, published_settings, run_settings
from condensation.training.train import Recipe


@dataclass(frozen=True)
class Cell(Scored):
    """One method at one ipc."""

    label: str
    ipc: int
    values: tuple[tuple[float, ...], ...]  # test accuracies in percent: (sets, networks)
    sets: int  # that are asked for
    runs: tuple[str, ...]  # the run folders of the sets that are done
    failed: Mapping[str, str]  # of the sets that could not be made or judged: run -> reason
    published: Number | None
    differences: tuple[str, ...]  # in what the settings differ from those of the published number

    @property
    def deviation_between_sets(self) -> float:
        """Of the sets' means."""
        return float(np.std([np.mean(of_set) for of_set in self.values]))

    @property
    def done(self) -> bool:
        return len(self.values) == self.sets

    @property
    def counted(self) -> str:
        """``5 x 20``: sets and networks; ``2 of 5 x 20`` while some are missing."""
        if not self.values:
            return f"0 of {self.sets}"
        sets = str(self.sets) if self.done else f"{len(self.values)} of {self.sets}"
        return f"{sets} x {len(self.values[0])}"

    @property
    def deviation_from_published(self) -> str:
        """``+0.2``; "" where there is nothing to compare."""
        return f"{self.mean - self.published.mean:+.1f}" if self.values and self.published else ""


def cells(settings: TableSettings, folder: str | Path) -> list[Cell]:
    """All cells of the table in ``folder``, done or not, ipc by ipc."""
    runs = Path(folder) / RUNS
    failures = failures_in(runs)
    return [_cell(settings, row, ipc, runs, failures) for ipc in settings.ipc for row in settings.rows if row.stands_at(ipc)]


def _cell(settings: TableSettings, row: Row, ipc: int, runs: Path, failures: Mapping[str, Any]) -> Cell:
    values, folders, failed, seeds = [], [], {}, settings.seeds_of(row)
    for seed in range(seeds):
        job = Job(name_of(row, ipc, seed), row.label, run_settings(settings, row, ipc, seed))
        if job.name in failures:
            failed[job.name] = str(failures[job.name]["reason"])
        elif state(job, runs, failures) == FINISHED:
            (score,) = read_json(runs / job.name / SCORES)["sets"].values()
            values.append(tuple(score["values"][0]))
            folders.append(job.name)
    column = column_of(settings, row, ipc)
    number = published(settings.source, ipc).get(column) if column else None
    differing: tuple[str, ...] = ()
    if number and column:
        ours, theirs = run_settings(settings, row, ipc, 0), published_settings(settings, column, ipc)
        sets = (seeds, columns()[column].sets)
        told = (columns()[column].note,) if columns()[column].note else differences(ours, theirs, columns()[column].unknown)
        differing = (*((f"seeds {sets[0]} (published: {sets[1]})",) if sets[0] != sets[1] else ()), *told)
    return Cell(row.label, ipc, tuple(values), seeds, tuple(folders), failed, number, differing)


def differences(ours: RunSettings, theirs: RunSettings, unknown: Collection[str] = ()) -> tuple[str, ...]:
    """In what two runs differ, setting by setting: ``method.steps 500 (published: 20,000)``; where they are computed does not count.

    What is ``unknown`` of the published run, such as ``method.recipe``, has a default of ours, which is named as that.
    """
    return tuple(_differences(_compared(ours), _compared(theirs), "", unknown))


def _compared(settings: RunSettings) -> dict[str, Any]:
    content = to_dict(settings)
    recipe = settings.evaluation.recipe
    epochs = recipe.epochs - 1  # the published code trains one more than it says
    if (recipe.lr_drop_epoch, recipe.reset_momentum) == (Recipe.paper(epochs).lr_drop_epoch, True):
        told = {key: value for key, value in content["evaluation"]["recipe"].items() if key != "lr_drop_epoch"}
        content["evaluation"]["recipe"] = {**told, "epochs": epochs}
    data = {key: content["data"][key] for key in ("preprocessing", "size", "fit", "flip_invariant")}
    return {"method": content["method"], "data": data, "evaluation": content["evaluation"]}


def _differences(ours: Any, theirs: Any, name: str, unknown: Collection[str]) -> list[str]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping) and ours.get("name") == theirs.get("name"):
        keys = [*theirs, *(key for key in ours if key not in theirs)]
        names = [f"{name}.{key}" if name else str(key) for key in keys]
        pairs = zip(keys, names, strict=True)
        return [line for key, inner in pairs for line in _differences(ours.get(key), theirs.get(key), inner, unknown)]
    where = "not published; by default" if any(f"{name}.".startswith(f"{one}.") for one in unknown) else "published:"
    return [] if ours == theirs else [f"{name} {_short(ours)} ({where} {_short(theirs)})"]


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", "other"))
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
