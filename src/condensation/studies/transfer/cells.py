"""Cells of a transfer matrix."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensation.config.build import from_dict
from condensation.networks.base import NetworkSpec
from condensation.runs.advice import network_label
from condensation.studies.jobs import Failures, failures_in
from condensation.studies.scores import ScoredCell, accuracies_in
from condensation.studies.study import earlier_report
from condensation.studies.transfer.study import CELLS, SETS, TEST, TransferRow, TransferSettings, transfer_rows


@dataclass(frozen=True, kw_only=True)
class TransferCell(ScoredCell):
    """One network, trained on the sets of one row."""

    learned: str
    """Label of the row."""
    tested: str
    """Label of the network."""
    sets: int
    """Number of sets asked for."""


Matrix = Sequence[Sequence[TransferCell]]
"""Rows of the matrix; random images come first."""


@dataclass(frozen=True)
class TransferRecord:
    """Part of ``transfer.json`` that is read again."""

    settings: dict[str, Any]
    cells: tuple[TransferCell, ...]


def matrix_in(settings: TransferSettings, folder: Path) -> list[list[TransferCell]]:
    """Return the matrix in ``folder``, finished or not."""
    failures = failures_in(folder / SETS) | failures_in(folder / CELLS)
    rows = transfer_rows(settings)
    matrix = [[_cell(settings, folder, row, spec, failures) for spec in settings.test] for row in rows]
    record = None if all(cell.done for row in matrix for cell in row) else earlier_report(folder, "transfer", TransferRecord)
    if record is None:
        return matrix
    earlier = from_dict(TransferSettings, record.settings)
    methods = {row.label: row.method for row in transfer_rows(earlier)}
    reported = {(cell.learned, cell.tested): cell for cell in record.cells} if _shared(earlier) == _shared(settings) else {}
    return [
        [cell.filled_from(reported.get((cell.learned, cell.tested))) for cell in cells] if methods.get(row.label) == row.method else cells
        for row, cells in zip(rows, matrix, strict=True)
    ]


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
    data = replace(settings.data_at(settings.ipc), folder=None)
    return data, settings.ipc, settings.small_classes, replace(settings.evaluation, network=TEST[0])
