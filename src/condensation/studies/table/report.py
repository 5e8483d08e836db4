"""Report of a table."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from condensation.core.records import read_record
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.evaluation.difference import welch
from condensation.methods.registry import method_title
from condensation.runs.files import SETTINGS as RUN_SETTINGS
from condensation.studies.published_numbers import columns, note, published_whole, source_notes
from condensation.studies.scores import cells_chart, failure_notes
from condensation.studies.study import MEASURED, PUBLISHED, StudyReport, new_figure, shared_legend, style
from condensation.studies.study_folder import StudyRecord, record_in
from condensation.studies.table.cells import Cell, cells_in
from condensation.studies.table.study import RUNS, TableSettings, column_of, table_jobs, table_recipe
from condensation.studies.table.successors import PublishedCell, published_blocks, published_cells, published_notes

COLUMNS = (
    "ipc",
    "method",
    "measured",
    "sets x nets",
    "published",
    "diff.",
    "note",
    "to best (95 % interval)",
)  # the last one in files only
TO_BEST = "to best (95 % interval): difference from the highest mean at the same ipc, with half of its 95 % interval over networks (Welch)."
ALL_ROWS = "*"  # sign of the differences that all rows have in common


def table_report(settings: TableSettings, folder: Path) -> StudyReport:
    """Return the report of the table in ``folder``."""
    cells, record = cells_in(settings, folder), record_in(folder, "table.json")
    title, signs = dataset_title(settings.source), difference_signs(cells)
    published = published_cells(settings)
    notes = _notes(settings, cells, published, signs, record)
    leading = _best(cells)
    shown: list[Cell | PublishedCell] = [*cells, *(cell for cell in published if cell.same_recipe)]
    shown.sort(key=lambda cell: settings.ipc.index(cell.ipc))
    unlike = {row.label for row in settings.rows for ipc in settings.ipc if is_unlike(column_of(settings, row, ipc))}
    missing, jobs = sum(cell.missing for cell in cells), len(table_jobs(settings))
    return StudyReport(
        title=title,
        columns=COLUMNS,
        screen_columns=len(COLUMNS) - 1,
        rows=tuple(_row(cell, leading.get(cell.ipc), signs) if isinstance(cell, Cell) else _published_row(cell) for cell in shown),
        blocks=published_blocks(published),
        notes=notes,
        json={
            "cells": [cell.to_json() for cell in cells],
            **({"published": [cell.to_json() for cell in published]} if published else {}),
            "notes": list(notes),
        },
        figures={"table.png": lambda: table_figure(title, cells, unlike)},
        places={"Picture": "table.png", "Table": "table.md", "Runs": RUNS},
        missing=f"{missing} of {counted(jobs, 'set')}" if missing else "",
        text_columns=("method", "sets x nets", "note"),
        sections=(*(cell.ipc != following.ipc for cell, following in pairwise(shown)), True),
        markdown_notes=(TO_BEST, f"Made on {_machines(cells, folder, record)}."),
        names={cell.method: method_title(cell.method) for cell in cells},
        best=frozenset((number, COLUMNS.index("measured")) for number, cell in enumerate(shown) if cell is leading.get(cell.ipc)),
        jobs=jobs,
        charts=lambda: [
            cells_chart(
                f"{counted(ipc, 'image')} per class",
                [(method_title(cell.method), cell, None if cell.method in unlike else cell.published) for cell in cells if cell.ipc == ipc],
            )
            for ipc in settings.ipc
        ],
        sets={method_title(cell.method): [folder / RUNS / cell.runs[0]] for cell in cells if cell.ipc == settings.ipc[-1] and cell.runs},
    )


def difference_signs(cells: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    """Return a sign for each combination of differences from published settings: ``*`` for those of all rows, then a, b, ..."""
    compared = [cell.differences for cell in cells if cell.published]
    common = tuple(line for line in compared[0] if all(line in others for others in compared)) if len(compared) > 1 else ()
    rests = dict.fromkeys(tuple(line for line in lines if line not in common) for lines in compared)
    letters = {ascii_lowercase[place] if place < 26 else str(place + 1): rest for place, rest in enumerate(filter(None, rests))}
    return {**({ALL_ROWS: common} if common else {}), **letters}


def signs_of(cell: Cell, signs: Mapping[str, tuple[str, ...]]) -> str:
    """Return the signs of one cell: ``* a``."""
    if not cell.published:
        return ""
    rest = tuple(line for line in cell.differences if line not in signs.get(ALL_ROWS, ()))
    return " ".join(sign for sign, lines in signs.items() if sign == ALL_ROWS or lines == rest)


def _best(cells: Sequence[Cell]) -> dict[int, Cell]:
    """Return the cell with the highest mean at each ipc."""
    measured = sorted((cell for cell in cells if cell.values), key=lambda cell: cell.mean)
    return {cell.ipc: cell for cell in measured}


def _row(cell: Cell, best: Cell | None, signs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    published = str(cell.published) if cell.published else "-"
    to_best = "" if cell is best or best is None or not cell.values else str(welch(sum(cell.values, ()), sum(best.values, ())))
    return str(cell.ipc), cell.method, str(cell), cell.count_text, published, cell.difference_text, signs_of(cell, signs), to_best


def _published_row(cell: PublishedCell) -> tuple[str, ...]:
    return str(cell.ipc), cell.method.title, "-", "", str(cell.number), "", cell.sign, ""


def _notes(
    settings: TableSettings,
    cells: Sequence[Cell],
    others: list[PublishedCell],
    signs: Mapping[str, tuple[str, ...]],
    record: StudyRecord,
) -> tuple[str, ...]:
    published = [cell.published for cell in cells]
    whole = published_whole(settings.source)
    lines = [
        "Test accuracy in percent: mean and population deviation over all networks of all sets. Sets are evaluated after their last step; "
        "test images decided nothing.",
        *(f"{sign}: {', '.join(texts)}." for sign, texts in signs.items()),
        "Published numbers of these methods have another recipe, that of DM, and are not shown." if table_recipe(settings) == "idc" else "",
        *published_notes(settings, others),
        *source_notes([*published, *(cell.number for cell in others)]),
        f"Published accuracy of the whole data set: {whole}." if whole else "",
        note(settings.source) if any(published) else "",
        str(record.data.get("note", "")) if isinstance(record.data, dict) else "",
        *failure_notes(cells),
    ]
    return tuple(filter(None, lines))


def _machines(cells: Sequence[Cell], folder: Path, record: StudyRecord) -> str:
    """Return the machines of the runs, which may differ since a table may be continued elsewhere."""
    paths = [folder / RUNS / run / RUN_SETTINGS for cell in cells for run in cell.runs]
    runs = [read_record(path, StudyRecord) for path in paths if path.exists()]
    return "; ".join(dict.fromkeys(filter(None, map(_machine, runs or [record]))))


def _machine(record: StudyRecord) -> str:
    machine, compute = record.machine or {}, record.settings.get("compute")
    if not {"gpu", "threads", "cpu", "torch"} <= machine.keys() or not isinstance(machine["threads"], int):
        return "an unknown machine"
    precision = compute.get("precision") if isinstance(compute, Mapping) else None
    place = machine["gpu"] if machine["gpu"] != "none" else f"{counted(machine['threads'], 'thread')}, {machine['cpu']}"
    return f"{place}, {precision or 'unknown precision'}, torch {machine['torch']}"


def is_unlike(column: str | None) -> bool:
    """Return True if the published numbers of ``column`` are of another variant of the method."""
    return column is not None and columns()[column].unlike


def table_figure(title: str, cells: Sequence[Cell], unlike: Collection[str] = ()) -> Any:
    """Return the figure: one panel per ipc and one line per method: measured filled, published hollow, deviations as bars.

    Published numbers of ``unlike`` methods, which are of other variants, are not drawn.
    """
    labels, all_ipc = list(dict.fromkeys(cell.method for cell in cells)), list(dict.fromkeys(cell.ipc for cell in cells))
    figure = new_figure(2.2 + 2.9 * len(all_ipc), 1.5 + 0.42 * len(labels))
    panels = figure.subplots(1, len(all_ipc), sharey=True, squeeze=False)[0]
    shape = {"markersize": 6, "capsize": 3}
    for panel, ipc in zip(panels, all_ipc, strict=True):
        for cell in (cell for cell in cells if cell.ipc == ipc):
            line = labels.index(cell.method)
            if cell.failed and not cell.values:
                panel.text(0.02, line - 0.14, "failed", color=MEASURED, fontsize=9, va="center", transform=panel.get_yaxis_transform())
            if cell.published and cell.method not in unlike:
                hollow = {"fmt": "D", "color": PUBLISHED, "markerfacecolor": "white", "label": "published", **shape}
                panel.errorbar(cell.published.mean, line + 0.14, xerr=cell.published.deviation or 0, **hollow)
            if cell.values:
                panel.errorbar(cell.mean, line - 0.14, xerr=cell.deviation, fmt="o", color=MEASURED, label="measured", **shape)
        panel.set_title(f"{counted(ipc, 'image')} per class", fontsize=10)
        style(panel, "x", ("top", "right", "left"))
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(labels)), list(map(method_title, labels)))
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    figure.supxlabel("test accuracy, %", fontsize=10)
    figure.suptitle(title, fontsize=12)
    shared_legend(figure, panels)
    return figure
