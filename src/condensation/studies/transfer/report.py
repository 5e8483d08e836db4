"""Report of a transfer matrix."""

from pathlib import Path
from typing import Any

from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.runs.advice import what_to_try
from condensation.runs.settings import describe
from condensation.studies.study import StudyReport, new_figure, png
from condensation.studies.study_folder import record_in
from condensation.studies.transfer.cells import Matrix, TransferCell, below_random, matrix_in
from condensation.studies.transfer.study import RANDOM, SETS, TransferSettings, transfer_jobs, transfer_rows

BELOW = "↓"
CORNER = "learned on"
FULL_COLOR = 20.0  # difference from random images in points, at least, that gets the full color


def transfer_report(settings: TransferSettings, folder: Path) -> StudyReport:
    """Return the report of the matrix in ``folder``."""
    matrix, jobs = matrix_in(settings, folder), transfer_jobs(settings)
    title = f"{dataset_title(settings.source)}: {describe(jobs[-1].settings)}"
    missing = sum(cell.missing for row in matrix for cell in row)
    return StudyReport(
        name="transfer",
        title=title,
        columns=(CORNER, *(cell.tested for cell in matrix[0])),
        rows=transfer_lines(matrix),
        notes=transfer_notes(settings, matrix),
        json={
            "settings": to_dict(settings),
            "rows": [{"label": row.label, "method": to_dict(row.method)} for row in transfer_rows(settings)],
            "cells": [cell.to_json() for row in matrix for cell in row],
            "below_random": below_random(matrix),
            **record_in(folder, "transfer.json").facts,
        },
        figures={"transfer.png": lambda: png(transfer_figure(title, matrix))},
        places={"Picture": "transfer.png", "Matrix": "transfer.md", "Sets": SETS},
        missing=counted(missing, "result") if missing else "",
        text_columns=(CORNER,),
        jobs=len(jobs) * (1 + len(settings.test)),
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
    failed = {name: reason for row in matrix for cell in row for name, reason in cell.failed.items()}
    return (*lines, *(f"{name} failed: {reason}" for name, reason in failed.items()))


def transfer_figure(title: str, matrix: Matrix) -> Any:
    """Return the figure of the matrix: green sets are better than random images on the same network, brown ones worse."""
    gains = [[_gain(cell, base) for cell, base in zip(row, matrix[0], strict=True)] for row in matrix]
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


def _gain(cell: TransferCell, base: TransferCell) -> float:
    return cell.mean - base.mean if cell.values and base.values else float("nan")
