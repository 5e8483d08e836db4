"""Cells of a table, and the settings in which they differ from published ones."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from condensation.core.errors import naming
from condensation.core.plain import to_dict
from condensation.runs.settings import RunSettings
from condensation.studies.published_numbers import Number, columns, published
from condensation.studies.scores import ScoredCell, completed, results_of
from condensation.studies.settings import decisive_run
from condensation.studies.study import ReportRecord, earlier_report
from condensation.studies.table.study import RUNS, TableRow, TableSettings, cell_job, column_of, published_run, row_run, table_recipe


@dataclass(frozen=True, kw_only=True)
class Cell(ScoredCell):
    """One method at one ipc."""

    labels: ClassVar[tuple[str, ...]] = ("method", "ipc")

    method: str  # label of the row
    ipc: int
    sets: int  # number of sets asked for
    runs: tuple[str, ...] = ()  # run folders of the evaluated sets
    published: Number | None = None
    differences: tuple[str, ...] = ()  # settings that differ from those of the published number

    @property
    def deviation_between_sets(self) -> float:
        """Population standard deviation of the means of the sets."""
        return float(np.std([np.mean(accuracies) for accuracies in self.values]))

    @property
    def count_text(self) -> str:
        """Sets and networks: ``5 x 20``, or ``2 of 5 x 20`` while some are missing."""
        if not self.values:
            return f"0 of {self.sets}"
        sets = str(self.sets) if self.done else f"{len(self.values)} of {self.sets}"
        return f"{sets} x {len(self.values[0])}"

    @property
    def difference_text(self) -> str:
        """Difference from the published mean: ``+0.2``; empty if there is nothing to compare."""
        return f"{self.mean - self.published.mean:+.1f}" if self.values and self.published else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, with mean, deviations and count."""
        return super().to_json() | ({"deviation_between_sets": round(self.deviation_between_sets, 3)} if self.values else {})


@dataclass(frozen=True)
class TableRecord(ReportRecord):
    """Part of ``table.json`` that is read again."""

    cells: tuple[Cell, ...]


def cells_in(settings: TableSettings, folder: Path) -> list[Cell]:
    """Return all cells of the table in ``folder``, finished or not, ipc by ipc."""

    @naming(folder / "table.json")
    def reported() -> list[Cell]:
        """Return the cells of the JSON report whose settings have not changed."""
        earlier = earlier_report(folder / "table.json", TableRecord, settings)
        if earlier is None:
            return []
        record, before = earlier
        ours, theirs = ({row.label: (table, row) for row in table.rows} for table in (settings, before))
        both = [cell for cell in record.cells if cell.method in ours.keys() & theirs.keys()]
        runs = [[decisive_run(row_run(*rows[cell.method], cell.ipc, 0)) for rows in (ours, theirs)] for cell in both]
        return [cell for cell, (now, earlier_run) in zip(both, runs, strict=True) if now == earlier_run]

    places = [(row, ipc) for ipc in settings.ipc for row in settings.rows if row.has_cell_at(ipc)]
    return completed([_cell(settings, row, ipc, folder / RUNS) for row, ipc in places], reported)


def _cell(settings: TableSettings, row: TableRow, ipc: int, runs: Path) -> Cell:
    sets, column = settings.seeds_of(row), column_of(settings, row, ipc)
    number = published(settings.source, ipc).get(column) if column and table_recipe(settings) != "idc" else None
    differing: tuple[str, ...] = ()
    if number and column:
        about = columns()[column]
        runs_of_both = row_run(settings, row, ipc, 0), published_run(settings, column, ipc)
        seeds = () if sets == about.sets else (f"seeds {sets} (published: {about.sets})",)
        differing = (*seeds, *((about.note,) if about.note else differences(*runs_of_both, about.unknown)))
    results = results_of([cell_job(settings, row, ipc, seed) for seed in range(sets)], runs)
    return Cell(method=row.label, ipc=ipc, sets=sets, published=number, differences=differing, **results)


def differences(measured: RunSettings, published: RunSettings, unknown: Collection[str] = ()) -> tuple[str, ...]:
    """Return the settings in which two runs differ: ``method.steps 500 (published: 20,000)``; ``unknown`` ones are named as defaults."""
    return tuple(_differences(_comparable(measured), _comparable(published), "", unknown))


def _comparable(settings: RunSettings) -> dict[str, Any]:
    content = to_dict(settings)
    recipe = settings.evaluation.recipe
    if (epochs := recipe.stated_epochs) != recipe.epochs:
        others = {key: value for key, value in content["evaluation"]["recipe"].items() if key != "lr_drop_epoch"}
        content["evaluation"]["recipe"] = {**others, "epochs": epochs}
    data = {key: content["data"][key] for key in ("preprocessing", "size", "fit", "flip_invariant")}
    return {"method": content["method"], "data": data, "evaluation": content["evaluation"]}


def _differences(measured: Any, published: Any, name: str, unknown: Collection[str]) -> list[str]:
    if isinstance(measured, Mapping) and isinstance(published, Mapping) and measured.get("name") == published.get("name"):
        keys = [*published, *(key for key in measured if key not in published)]
        names = [f"{name}.{key}" if name else str(key) for key in keys]
        pairs = zip(keys, names, strict=True)
        return [line for key, inner in pairs for line in _differences(measured.get(key), published.get(key), inner, unknown)]
    origin = "not published; by default" if any(f"{name}.".startswith(f"{group}.") for group in unknown) else "published:"
    return [] if measured == published else [f"{name} {_short(measured)} ({origin} {_short(published)})"]


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", "other"))
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
