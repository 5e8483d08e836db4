"""Report of a transfer matrix."""

from pathlib import Path

from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.runs.advice import what_to_try
from condensation.runs.settings import describe
from condensation.studies.study import StudyReport, png
from condensation.studies.study_folder import record_in
from condensation.studies.transfer.cells import Matrix, below_random, matrix_in
from condensation.studies.transfer.figure import transfer_figure
from condensation.studies.transfer.study import SETS, TransferSettings, transfer_jobs, transfer_rows

BELOW = "↓"
CORNER = "learned on"


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
