"""Cells and report of a transfer matrix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from condensation.core.errors import naming
from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.networks.base import NetworkSpec
from condensation.runs.advice import network_label, what_to_try
from condensation.runs.settings import describe
from condensation.studies.scores import ScoredCell, accuracies_in, cells_chart, completed, failure_notes
from condensation.studies.study import ReportRecord, StudyReport, earlier_report, new_figure
from condensation.studies.tasks import Failures, failures_in
from condensation.studies.transfer.study import CELLS, RANDOM, SETS, TEST, TransferRow, TransferSettings, transfer_jobs, transfer_rows

BELOW = "↓"
CORNER = "learned on"
FULL_COLOR = 20.0  # difference from random images in points, at least, that gets the full color


@dataclass(frozen=True, kw_only=True)
class TransferCell(ScoredCell):
    """One network, trained on the sets of one row."""

    labels: ClassVar[tuple[str, ...]] = ("learned", "tested")

    learned: str  # label of the row
    tested: str  # label of the network
    sets: int  # number of sets asked for


Matrix = Sequence[Sequence[TransferCell]]  # rows; random images come first


@dataclass(frozen=True)
class TransferRecord(ReportRecord):
    """Part of ``transfer.json`` that is read again."""

    cells: tuple[TransferCell, ...]


def matrix_in(settings: TransferSettings, folder: Path) -> list[list[TransferCell]]:
    """Return the matrix in ``folder``, finished or not."""
    failures = failures_in(folder / SETS) | failures_in(folder / CELLS)
    methods = {row.label: row.method for row in transfer_rows(settings)}

    @naming(folder / "transfer.json")
    def reported() -> list[TransferCell]:
        """Return the cells of the JSON report whose settings have not changed."""
        earlier = earlier_report(folder / "transfer.json", TransferRecord, settings, _shared)
        if earlier is None:
            return []
        before = {row.label: row.method for row in transfer_rows(earlier[1])}
        return [cell for cell in earlier[0].cells if cell.learned in methods and before.get(cell.learned) == methods[cell.learned]]

    cells = completed([_cell(settings, folder, row, spec, failures) for row in transfer_rows(settings) for spec in settings.test], reported)
    return [[cell for cell in cells if cell.learned == label] for label in methods]


def below_random(matrix: Matrix) -> dict[str, list[str]]:
    """Return the rows that score below random images, with the networks on which they do."""
    random, *others = matrix
    lower: dict[str, list[str]] = {}
    for row in others:
        pairs = [(cell, base) for cell, base in zip(row, random, strict=True) if cell.values and base.values]
        tested = [cell.tested for cell, base in pairs if cell.mean < base.mean]
        if tested:
            lower[row[0].learned] = tested
    return lower


def _cell(settings: TransferSettings, folder: Path, row: TransferRow, spec: NetworkSpec, failures: Failures) -> TransferCell:
    names = [row.cell_name(seed, spec) for seed in range(settings.seeds)]
    paths = [folder / CELLS / f"{name}.json" for name in names]
    related = [name for seed, cell in enumerate(names) for name in (cell, row.set_name(seed))]
    return TransferCell(
        learned=row.label,
        tested=network_label(spec),
        values=tuple(accuracies_in(path) for path in paths if path.exists()),
        sets=settings.seeds,
        failed={name: failures[name].reason for name in related if name in failures},
    )


def _shared(settings: TransferSettings) -> tuple[object, ...]:
    """Return the settings that decide every cell."""
    return settings.decisive_data(settings.ipc), settings.ipc, settings.small_classes, replace(settings.evaluation, network=TEST[0])


def transfer_report(settings: TransferSettings, folder: Path) -> StudyReport:
    """Return the report of the matrix in ``folder``."""
    matrix, jobs = matrix_in(settings, folder), transfer_jobs(settings)
    title = f"{dataset_title(settings.source)}: {describe(jobs[-1].settings)}"
    missing = sum(cell.missing for row in matrix for cell in row)
    return StudyReport(
        title=title,
        columns=(CORNER, *(cell.tested for cell in matrix[0])),
        rows=transfer_lines(matrix),
        notes=transfer_notes(settings, matrix),
        json={
            "rows": [{"label": row.label, "method": to_dict(row.method)} for row in transfer_rows(settings)],
            "cells": [cell.to_json() for row in matrix for cell in row],
            "below_random": below_random(matrix),
        },
        figures={"transfer.png": lambda: transfer_figure(title, matrix)},
        places={"Picture": "transfer.png", "Matrix": "transfer.md", "Sets": SETS},
        missing=counted(missing, "result") if missing else "",
        text_columns=(CORNER,),
        jobs=len(jobs) * (1 + len(settings.test)),
        charts=lambda: [
            cells_chart(f"Tested on {column[0].tested}", [(cell.learned, cell, None) for cell in column])
            for column in zip(*matrix, strict=True)
        ],
        sets={row.label: [folder / SETS / row.set_name(0)] for row in transfer_rows(settings)},
    )


def transfer_lines(matrix: Matrix) -> tuple[tuple[str, ...], ...]:
    """Return the matrix as text; an arrow marks cells below random images."""
    lower = below_random(matrix)
    return tuple(
        (row[0].learned, *(f"{cell} {BELOW}" if cell.tested in lower.get(cell.learned, ()) else str(cell) for cell in row))
        for row in matrix
    )


def transfer_notes(settings: TransferSettings, matrix: Matrix) -> tuple[str, ...]:
    """Return the lines below the matrix."""
    evaluation, rows = settings.evaluation, transfer_rows(settings)
    lines = [
        f"Test accuracy in percent of the networks above, trained on the set in front: mean and deviation over "
        f"{counted(settings.seeds, 'set')} x {evaluation.networks} networks of {counted(evaluation.recipe.epochs, 'epoch')}. "
        f"{matrix[0][0].learned}: as many real images."
    ]
    rates = {row.label: row.method.lr for row in rows if row.method.lr is not None}
    lines += [f"Learning rates of images: {', '.join(f'{label} {lr:g}' for label, lr in rates.items())}."] if rates else []
    for label, tested in below_random(matrix).items():
        (method,) = (row.method for row in rows if row.label == label)
        lines.append(f"{BELOW} learned on {label}: below random images on {', '.join(tested)}. To try, one by one:")
        lines += [f"  {line}" for line in what_to_try(method)]
    return (*lines, *failure_notes(cell for row in matrix for cell in row))


def transfer_figure(title: str, matrix: Matrix) -> Any:
    """Return the figure of the matrix: green sets are better than random images on the same network, brown ones worse."""
    pairs = [zip(row, matrix[0], strict=True) for row in matrix]
    gains = [[cell.mean - base.mean if cell.values and base.values else math.nan for cell, base in row] for row in pairs]
    limit = max([FULL_COLOR, *(abs(gain) for row in gains for gain in row if gain == gain)])
    figure = new_figure(2.4 + 1.35 * len(matrix[0]), 1.5 + 0.55 * len(matrix))
    axes = figure.subplots()
    image = axes.imshow(gains, cmap="BrBG", vmin=-limit, vmax=limit, aspect="auto")
    for line, row in enumerate(matrix):
        for column, cell in enumerate(row):
            dark = abs(gains[line][column]) > 0.6 * limit
            axes.text(column, line, str(cell), ha="center", va="center", fontsize=9, color="white" if dark else "#1c1c20")
    axes.set_xticks(range(len(matrix[0])), [cell.tested for cell in matrix[0]])
    axes.set_yticks(range(len(matrix)), [row[0].learned for row in matrix])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlabel="tested on", ylabel="learned on")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=f"points above {RANDOM}", shrink=0.9).outline.set_visible(False)
    figure.suptitle(title, fontsize=11)
    return figure
