"""A table as JSON, as Markdown and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write, write_json
from condensation.core.text import counted
from condensation.data.load import titled
from condensation.report.tables import in_markdown, markdown_table
from condensation.runs.run import SETTINGS as RUN_SETTINGS
from condensation.studies.published_numbers import UNVERIFIED, note, sources, whole
from condensation.studies.study_folder import SETTINGS
from condensation.studies.table.cells import Cell, cells
from condensation.studies.table.study import RUNS, TableSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JSON, MARKDOWN, PICTURE = "table.json", "table.md", "table.png"
COLUMNS = ("ipc", "method", "ours", "sets x nets", "published", "diff.", "")
OURS, THEIRS = "#1b7f79", "#b5542b"


def write_table(settings: TableSettings, folder: Path) -> list[Cell]:
    """Write ``table.json``, ``table.md`` and ``table.png`` from what is in ``folder`` so far; return the cells."""
    found = cells(settings, folder)
    write_json(folder / JSON, as_json(settings, found, folder))
    write(folder / MARKDOWN, markdown(settings, found, folder).encode())
    write(folder / PICTURE, png(figure(settings, found)))
    return found


def title(settings: TableSettings) -> str:
    """What the table is of."""
    return titled(settings.source)


def marks(found: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    """Signs for ways in which settings differ from the published ones: ``*`` for what all rows have in common, then a, b, ..."""
    compared = [cell.differences for cell in found if cell.published]
    common = tuple(one for one in compared[0] if all(one in others for others in compared)) if len(compared) > 1 else ()
    rests = dict.fromkeys(tuple(one for one in cell if one not in common) for cell in compared)
    letters = {sign(place): rest for place, rest in enumerate(filter(None, rests))}
    return {**({"*": common} if common else {}), **letters}


def signs_of(cell: Cell, signs: Mapping[str, tuple[str, ...]]) -> str:
    """The signs of one cell: ``* a``."""
    if not cell.published:
        return ""
    rest = tuple(one for one in cell.differences if one not in signs.get("*", ()))
    return " ".join(sign for sign, way in signs.items() if sign == "*" or way == rest)


def sign(place: int) -> str:
    """a, b, ..., z, 27, ..."""
    return ascii_lowercase[place] if place < len(ascii_lowercase) else str(place + 1)


def lines(found: Sequence[Cell]) -> list[tuple[str, ...]]:
    """The table, a line a cell, in the order of `COLUMNS`."""
    signs = marks(found)
    return [
        (
            str(cell.ipc),
            cell.label,
            str(cell),
            cell.counted,
            str(cell.published) if cell.published else "-",
            cell.deviation_from_published,
            signs_of(cell, signs),
        )
        for cell in found
    ]


def notes(settings: TableSettings, found: Sequence[Cell], folder: Path) -> list[str]:
    """What must be said below the table."""
    about = read_json(folder / SETTINGS)
    said = [
        "Test accuracy in percent: mean and deviation (of the population) over all networks of all sets. What is judged is what the last "
        "step left; test images decided nothing."
    ]
    said += [f"{sign}: {', '.join(way)}." for sign, way in marks(found).items()]
    used = dict.fromkeys(cell.published.source for cell in found if cell.published)
    said += [f"Published{'?' if one == UNVERIFIED else ''}: {sources()[one]}." for one in used]
    of_whole = whole(settings.source)
    said += [f"The whole of the data, published: {of_whole}."] if of_whole else []
    said += [text for text in (note(settings.source) if used else "", str(about["data"].get("note", ""))) if text]
    said += [f"{run} failed: {reason}" for cell in found for run, reason in cell.failed.items()]
    return said


def markdown(settings: TableSettings, found: Sequence[Cell], folder: Path) -> str:
    """The table and its notes."""
    table = markdown_table(COLUMNS, lines(found))
    listed = "\n".join(f"- {in_markdown(line)}" for line in [*notes(settings, found, folder), f"Made on {_machines(found, folder)}."])
    return f"# {in_markdown(title(settings))}\n\n{table}\n\n![{PICTURE}]({PICTURE})\n\n{listed}\n"


def as_json(settings: TableSettings, found: Sequence[Cell], folder: Path) -> dict[str, Any]:
    """The table with everything that is known of it."""
    about = read_json(folder / SETTINGS)
    return {
        "settings": to_dict(settings),
        "cells": [_cell(cell) for cell in found],
        "notes": notes(settings, found, folder),
        **{key: about.get(key) for key in ("data", "versions", "machine")},
    }


def figure(settings: TableSettings, found: Sequence[Cell]) -> Figure:
    """A panel for each ipc, a line for each method: ours filled, published hollow, deviations as bars."""
    from matplotlib.figure import Figure

    labels = [row.label for row in settings.rows]
    made = Figure(figsize=(2.2 + 2.9 * len(settings.ipc), 1.5 + 0.42 * len(labels)), layout="constrained")
    panels = made.subplots(1, len(settings.ipc), sharey=True, squeeze=False)[0]
    for panel, ipc in zip(panels, settings.ipc, strict=True):
        for cell in (one for one in found if one.ipc == ipc):
            place = labels.index(cell.label)
            if cell.failed and not cell.values:
                panel.text(0.02, place - 0.14, "failed", color=OURS, fontsize=9, va="center", transform=panel.get_yaxis_transform())
            if cell.published:
                bar = {"fmt": "D", "color": THEIRS, "markerfacecolor": "white", "markersize": 6, "capsize": 3, "label": "published"}
                panel.errorbar(cell.published.mean, place + 0.14, xerr=cell.published.deviation or 0, **bar)
            if cell.values:
                bar = {"fmt": "o", "color": OURS, "markersize": 6, "capsize": 3, "label": "ours"}
                panel.errorbar(cell.mean, place - 0.14, xerr=cell.deviation, **bar)
        panel.set_title(f"{ipc} image{'' if ipc == 1 else 's'} per class", fontsize=10)
        panel.grid(axis="x", alpha=0.25)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    made.supxlabel("test accuracy, %", fontsize=10)
    made.suptitle(title(settings), fontsize=12)
    shown = {text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    names = [name for name in ("ours", "published") if name in shown]
    made.legend([shown[name] for name in names], names, loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return made


def png(picture: Figure) -> bytes:
    """The bytes of ``picture``, the same whenever it is drawn."""
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _cell(cell: Cell) -> dict[str, Any]:
    ours: dict[str, Any] = {"values": [list(of_set) for of_set in cell.values], "sets": cell.sets, "runs": list(cell.runs)}
    if cell.values:
        numbers = {"mean": cell.mean, "deviation": cell.deviation, "deviation_between_sets": cell.deviation_between_sets}
        ours |= {**{name: round(number, 3) for name, number in numbers.items()}, "count": sum(map(len, cell.values))}
    theirs = to_dict(cell.published) if cell.published else None
    return {"method": cell.label, "ipc": cell.ipc, **ours, "published": theirs, "differences": cell.differences, "failed": cell.failed}


def _machines(found: Sequence[Cell], folder: Path) -> str:
    """The machines on which the sets were made: they may differ, as a table may go on elsewhere."""
    kept = [read_json(folder / RUNS / run / RUN_SETTINGS) for cell in found for run in cell.runs]
    kept = kept or [read_json(folder / SETTINGS)]
    return "; ".join(dict.fromkeys(_machine(one) for one in kept))


def _machine(kept: Mapping[str, Any]) -> str:
    machine = kept["machine"]
    where = machine["gpu"] if machine["gpu"] != "none" else f"{counted(machine['threads'], 'thread')}, {machine['cpu']}"
    return f"{where}, {kept['settings']['compute']['precision']}, torch {machine['torch']}"
