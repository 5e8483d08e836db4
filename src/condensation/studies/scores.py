"""Cells of the tables of studies: accuracies read from runs, completed from an earlier report."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from msgspec import Meta

from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.storage import RESTORE
from condensation.core.text import accuracy
from condensation.evaluation.scores import Scores
from condensation.report.page.charts import ACCURACY_SPAN, MEASURED, Mark, RowChart
from condensation.runs.files import SCORES
from condensation.studies.jobs import Job, state
from condensation.studies.published_numbers import Number
from condensation.studies.tasks import FAILED, FINISHED, failures_in

C = TypeVar("C", bound="ScoredCell")
RESULTS = ("values", "runs", "seen", "bytes", "rounds", "curves")  # fields of cells that only the runs can give


@dataclass(frozen=True, kw_only=True)
class ScoredCell:
    """Test accuracies of the networks trained on several sets, as far as they are available."""

    labels: ClassVar[tuple[str, ...]]  # fields that identify a cell
    count_field: ClassVar[str] = "sets"  # field with the number of sets asked for

    values: tuple[Annotated[tuple[float, ...], Meta(min_length=1)], ...] = ()  # test accuracies in percent: (sets, networks)
    failed: dict[str, str] = field(default_factory=dict)  # reason of each failed job by its name

    @property
    def key(self) -> tuple[Any, ...]:
        """Values of `labels`."""
        return tuple(getattr(self, name) for name in self.labels)

    @property
    def asked_for(self) -> int:
        """Number of sets asked for."""
        return int(getattr(self, self.count_field))

    @property
    def done(self) -> bool:
        """True if every set has been evaluated."""
        return len(self.values) >= self.asked_for

    @property
    def missing(self) -> int:
        """Number of sets that are neither evaluated nor failed."""
        return max(0, self.asked_for - len(self.values) - len(self.failed))

    @property
    def mean(self) -> float:
        """Mean over all networks of all sets."""
        return float(np.concatenate(self.values).mean())

    @property
    def deviation(self) -> float:
        """Population standard deviation over all networks of all sets, as the papers report it."""
        return float(np.concatenate(self.values).std())

    def __str__(self) -> str:
        if not self.values:
            return "failed" if self.failed else "-"
        return accuracy(self.mean, self.deviation, sum(map(len, self.values)))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, with mean, deviation and count."""
        content: dict[str, Any] = to_dict(self)
        if self.values:
            content |= {"mean": round(self.mean, 3), "deviation": round(self.deviation, 3), "count": sum(map(len, self.values))}
        return content


def completed(cells: Sequence[C], reported: Callable[[], Iterable[C]]) -> list[C]:
    """Return ``cells``; a cell that lacks sets takes the results of the ``reported`` cell with the same labels if that has more."""
    if all(cell.done for cell in cells):
        return list(cells)
    earlier = {cell.key: cell for cell in reported()}
    return [_longer(cell, earlier.get(cell.key)) for cell in cells]


def _longer(cell: C, reported: C | None) -> C:
    if reported is None or min(len(reported.values), cell.asked_for) <= len(cell.values):
        return cell
    results: dict[str, Any] = {name: getattr(reported, name) for name in RESULTS if hasattr(reported, name)}
    cut = {name: value[: cell.asked_for] if isinstance(value, tuple) else value for name, value in results.items()}
    return replace(cell, **cut)  # type: ignore[arg-type]


def results_of(jobs: Iterable[Job], folder: Path) -> dict[str, Any]:
    """Return values, runs and failures of the cell whose sets are those of ``jobs``, from their runs in ``folder``."""
    failures = failures_in(folder)
    states = {job.name: state(job, folder, failures) for job in jobs}
    finished = tuple(name for name, reached in states.items() if reached == FINISHED)
    return {
        "values": tuple(accuracies_in(folder / name / SCORES) for name in finished),
        "runs": finished,
        "failed": {name: failures[name].reason for name, reached in states.items() if reached == FAILED},
    }


def cells_chart(title: str, cells: Iterable[tuple[str, ScoredCell, Number | None]]) -> RowChart:
    """Return the chart of cells with their labels: mean and deviation, and the published number if there is one."""
    rows = []
    for label, cell, published in cells:
        beside = [Mark(published.mean, published.deviation or 0.0, 1, True)] if published else []
        rows.append((label, [*([Mark(cell.mean, cell.deviation)] if cell.values else []), *beside]))
    legend = MEASURED if any(mark.hollow for _, marks in rows for mark in marks) else ()
    return RowChart(title, "test accuracy, %", rows, legend, least_span=ACCURACY_SPAN)


def failure_notes(cells: Iterable[ScoredCell]) -> list[str]:
    """Return a line for each failed job of ``cells``."""
    failed = {name: reason for cell in cells for name, reason in cell.failed.items()}
    return [f"{name} failed: {reason}" for name, reason in failed.items()]


def accuracies_in(path: Path) -> tuple[float, ...]:
    """Return the accuracies in percent of the networks in a ``scores.json`` of a single set."""
    sets = list(Scores.read(path).sets.values())
    if len(sets) != 1 or len(sets[0].values) != 1:
        raise CondensationError(f"{path}: expected the scores of one set, got {len(sets)}.", hint=RESTORE)
    return sets[0].values[0]
