"""Cells of a transfer matrix."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from condensation.networks.base import NetworkSpec
from condensation.runs.advice import network_label
from condensation.studies.jobs import Failures, failures_in
from condensation.studies.scores import ScoredCell, accuracies_in, completed
from condensation.studies.study import ReportRecord, earlier_report
from condensation.studies.transfer.study import CELLS, SETS, TEST, TransferRow, TransferSettings, transfer_rows


@dataclass(frozen=True, kw_only=True)
class TransferCell(ScoredCell):
    """One network, trained on the sets of one row."""

    labels: ClassVar[tuple[str, ...]] = ("learned", "tested")

    learned: str
    """Label of the row."""
    tested: str
    """Label of the network."""
    sets: int
    """Number of sets asked for."""


Matrix = Sequence[Sequence[TransferCell]]
"""Rows of the matrix; random images come first."""


@dataclass(frozen=True)
class TransferRecord(ReportRecord):
    """Part of ``transfer.json`` that is read again."""

    cells: tuple[TransferCell, ...]


def matrix_in(settings: TransferSettings, folder: Path) -> list[list[TransferCell]]:
    """Return the matrix in ``folder``, finished or not."""
    failures = failures_in(folder / SETS) | failures_in(folder / CELLS)
    methods = {row.label: row.method for row in transfer_rows(settings)}

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
