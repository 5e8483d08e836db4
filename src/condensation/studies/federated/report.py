"""Report of a study of federated learning: accuracy against the bytes that were sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from condensation.core.errors import naming
from condensation.core.records import read_record
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.methods.registry import method_title
from condensation.report.page.charts import Chart, Series
from condensation.studies.federated.arms import ARMS
from condensation.studies.federated.server import Outcome
from condensation.studies.federated.settings import ARMS as RESULTS, LOCAL, SETS, FederatedSettings
from condensation.studies.scores import ScoredCell, completed, failure_notes
from condensation.studies.study import ReportRecord, StudyReport, earlier_report, new_figure, style
from condensation.studies.tasks import failures_in

MEGABYTE = 1e6
EQUAL = "averaging, equal bytes"  # a row that is read off the rounds of federated averaging
COLOURS = ("#1b7f79", "#b5542b", "#3f51a3", "#a33f7c", "#7a7a2a", "#7d7d87", "#111111", "#c08a00")


@dataclass(frozen=True, kw_only=True)
class ArmCell(ScoredCell):
    """An arm over all divisions."""

    labels: ClassVar[tuple[str, ...]] = ("arm",)

    arm: str
    sets: int  # divisions asked for
    bytes: tuple[int, ...] = ()  # sent in each division
    rounds: int = 1
    curves: tuple[tuple[tuple[int, float], ...], ...] = ()  # bytes and accuracy after each round, by division

    @property
    def spread(self) -> float:
        """Population standard deviation of the divisions' means."""
        return float(np.std([np.mean(values) for values in self.values]))

    @property
    def megabytes(self) -> str:
        """Mean of the megabytes sent."""
        return f"{np.mean(self.bytes) / MEGABYTE:,.2f}" if self.bytes else ""


@dataclass(frozen=True)
class FederatedRecord(ReportRecord):
    """Part of ``federated.json`` that is read again."""

    cells: tuple[ArmCell, ...]


@dataclass(frozen=True)
class _Result(Outcome):
    """Result file of an arm."""


def cells_in(settings: FederatedSettings, folder: Path) -> list[ArmCell]:
    """Return the results of all arms in ``folder``, finished or not."""

    @naming(folder / "federated.json")
    def reported() -> Sequence[ArmCell]:
        earlier = earlier_report(folder / "federated.json", FederatedRecord, settings, _decisive)
        return earlier[0].cells if earlier else ()

    cells = completed([_cell(settings, folder, arm) for arm in settings.arms], reported)
    return [*cells, *filter(None, [_at_equal_bytes(cells)])]


def _decisive(settings: FederatedSettings) -> object:
    run = settings.run_of(settings.method_settings, settings.ipc)
    return run.method, run.data.source, settings.clients, settings.alpha, settings.ipc, settings.evaluation, settings.local


def _cell(settings: FederatedSettings, folder: Path, arm: str) -> ArmCell:
    paths = [folder / RESULTS / f"{arm}-split{split}.json" for split in range(settings.splits)]
    outcomes = [read_record(path, _Result) for path in paths if path.exists()]
    failures = {name: failure for group in (SETS, LOCAL, RESULTS) for name, failure in failures_in(folder / group).items()}
    own = {name: failure.reason for name, failure in failures.items() if name.startswith((f"{arm}-", "split"))}
    return ArmCell(
        arm=arm,
        values=tuple(outcome.values for outcome in outcomes),
        sets=settings.splits,
        bytes=tuple(outcome.bytes for outcome in outcomes),
        rounds=max((outcome.rounds for outcome in outcomes), default=1),
        curves=tuple(outcome.curve for outcome in outcomes if outcome.curve),
        failed={} if len(outcomes) == settings.splits else own,
    )


def _at_equal_bytes(cells: Sequence[ArmCell]) -> ArmCell | None:
    """Return federated averaging after as many rounds as the bytes of the condensed sets allow, at least one."""
    found = {cell.arm: cell for cell in cells}
    condensed, averaging = found.get("condensed"), found.get("averaging")
    if not (condensed and averaging and condensed.bytes and averaging.curves):
        return None
    reached, rounds = [], 1
    for sent, curve in zip(condensed.bytes, averaging.curves, strict=False):
        within = [point for point in curve if point[0] <= sent] or [curve[0]]
        reached.append(within[-1])
        rounds = max(rounds, len(within))
    values = tuple((accuracy,) for _, accuracy in reached)
    return ArmCell(arm=EQUAL, values=values, sets=len(values), bytes=tuple(sent for sent, _ in reached), rounds=rounds)


def federated_report(settings: FederatedSettings, folder: Path) -> StudyReport:
    """Return the report of the study in ``folder``."""
    cells = cells_in(settings, folder)
    method = method_title(str(settings.method_settings["name"]))
    title = (
        f"{dataset_title(settings.source)}: {settings.clients} clients, alpha {settings.alpha:g}, {method}, {settings.ipc} images per class"
    )
    missing = sum(cell.missing for cell in cells)
    return StudyReport(
        title=title,
        columns=("arm", "accuracy", "between splits", "MB sent", "rounds"),
        rows=tuple((_title(cell.arm), str(cell), _spread(cell), cell.megabytes, str(cell.rounds)) for cell in cells),
        notes=_notes(settings, cells),
        json={"cells": [cell.to_json() for cell in cells]},
        figures={"federated.png": lambda: _figure(title, cells)},
        places={"Picture": "federated.png", "Table": "federated.md", "Sets": SETS},
        missing=counted(missing, "result") if missing else "",
        text_columns=("arm",),
        jobs=None,
        charts=lambda: [_chart(cells)],
        sets={f"client {client}": [folder / SETS / f"split0-client{client}"] for client in range(min(settings.clients, 3))},
    )


def _title(arm: str) -> str:
    return ARMS[arm].title if arm in ARMS else f"federated {arm}"


def _spread(cell: ArmCell) -> str:
    return f"± {cell.spread:.1f} ({len(cell.values)})" if len(cell.values) > 1 else ""


def _notes(settings: FederatedSettings, cells: Sequence[ArmCell]) -> tuple[str, ...]:
    equal = next((cell for cell in cells if cell.arm == EQUAL), None)
    condensed = next((cell for cell in cells if cell.arm == "condensed"), None)
    lines = [
        f"Test accuracy in percent over {counted(settings.splits, 'division')} of the training images; a client has at least "
        f"{settings.least} images and two classes. split-N.json names the images of each client.",
        "MB sent counts both directions until the server has its network: pixels as they are stored, weights in float32.",
    ]
    if equal and condensed and equal.bytes and condensed.bytes and np.mean(equal.bytes) > np.mean(condensed.bytes):
        times = np.mean(equal.bytes) / np.mean(condensed.bytes)
        lines.append(
            f"One round of federated averaging sends {times:.1f} times the bytes of the condensed sets, so no round costs as little."
        )
    if equal and condensed and equal.values and condensed.values and equal.mean > condensed.mean:
        lines.append("At equal bytes, federated averaging is better than the condensed sets here.")
    return (*lines, *failure_notes(cells))


def _points(cell: ArmCell) -> list[tuple[float, float]]:
    """Return megabytes and accuracy, after each round if there are several."""
    if cell.curves:
        rounds = zip(*cell.curves, strict=False)
        return [(float(np.mean([sent for sent, _ in each])) / MEGABYTE, float(np.mean([value for _, value in each]))) for each in rounds]
    return [(float(np.mean(cell.bytes)) / MEGABYTE, cell.mean)] if cell.values and cell.bytes else []


def _chart(cells: Sequence[ArmCell]) -> Chart:
    series = [Series(_title(cell.arm), _points(cell), color=place) for place, cell in enumerate(cells) if cell.arm != EQUAL]
    return Chart("Accuracy against what is sent", "MB sent in both directions", "test accuracy, %", series)


def _figure(title: str, cells: Sequence[ArmCell]) -> Any:
    figure = new_figure(7.4, 4.2)
    axes = figure.subplots()
    for place, cell in enumerate(cell for cell in cells if cell.arm != EQUAL):
        points, colour = _points(cell), COLOURS[place % len(COLOURS)]
        if points and not points[0][0]:  # nothing is sent, which a logarithmic axis cannot show
            axes.axhline(points[0][1], color=colour, linestyle=":", linewidth=1.2, label=f"{_title(cell.arm)} (nothing sent)")
        elif points:
            axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=5, label=_title(cell.arm))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # without exponents, which need formulas
    axes.set(xlabel="MB sent in both directions", ylabel="test accuracy, %")
    axes.legend(fontsize=8, frameon=False, bbox_to_anchor=(1.02, 1), loc="upper left")
    style(axes)
    figure.suptitle(title, fontsize=11)
    return figure
