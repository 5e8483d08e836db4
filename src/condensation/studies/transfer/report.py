"""What a matrix of `condensation.studies.transfer.study` holds so far, and the matrix as JSON, as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write, write_json
from condensation.data.load import titled
from condensation.networks.base import NetworkSpec
from condensation.report.tables import markdown_table
from condensation.runs.advice import network_label, what_to_try
from condensation.runs.run import describe
from condensation.studies.jobs import failures_in
from condensation.studies.scores import Scored
from condensation.studies.study_folder import SETTINGS
from condensation.studies.table.report import png
from condensation.studies.transfer.study import CELLS, RANDOM, SETS, Learned, TransferSettings, cell_name, rows_of, set_name, sets_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JSON, MARKDOWN, PICTURE = "transfer.json", "transfer.md", "transfer.png"
BELOW = "↓"
CORNER = "learned on"
MOST_COLOUR = 20.0  # points above or below random images that are shown in full colour, at least


@dataclass(frozen=True)
class Transferred(Scored):
    """A cell of the matrix: test accuracies in percent of one network, trained on the sets of one row."""

    learned: str
    tested: str
    values: tuple[tuple[float, ...], ...]  # (sets, networks), of the sets that are done
    sets: int  # that are asked for
    failed: Mapping[str, str] = field(default_factory=dict)


def matrix(settings: TransferSettings, folder: str | Path) -> list[list[Transferred]]:
    """The matrix in ``folder``, as far as it is done: a list for each row, random images first."""
    folder = Path(folder)
    failures = {**failures_in(folder / SETS), **failures_in(folder / CELLS)}
    return [[_tested(settings, folder, row, spec, failures) for spec in settings.test] for row in rows_of(settings)]


def below_random(found: Sequence[Sequence[Transferred]]) -> dict[str, list[str]]:
    """The rows that are worth less than random images, and on which networks."""
    random, *others = found
    worse: dict[str, list[str]] = {}
    for row in others:
        pairs = [(cell, base) for cell, base in zip(row, random, strict=True) if cell.values and base.values]
        tested = [cell.tested for cell, base in pairs if cell.mean < base.mean]
        if tested:
            worse[row[0].learned] = tested
    return worse


def write_transfer(settings: TransferSettings, folder: Path) -> list[list[Transferred]]:
    """Write ``transfer.json``, ``transfer.md`` and ``transfer.png`` from what is in ``folder`` so far; return the matrix."""
    found = matrix(settings, folder)
    write_json(folder / JSON, as_json(settings, found, folder))
    write(folder / MARKDOWN, markdown(settings, found).encode())
    write(folder / PICTURE, png(figure(settings, found)))
    return found


def title(settings: TransferSettings) -> str:
    """What the matrix is of."""
    return f"{titled(settings.source)}: {describe(sets_of(settings)[-1].settings)}"


def columns(settings: TransferSettings, found: Sequence[Sequence[Transferred]]) -> tuple[str, ...]:
    """The head of the matrix."""
    return (CORNER, *(cell.tested for cell in found[0]))


def lines(found: Sequence[Sequence[Transferred]]) -> list[tuple[str, ...]]:
    """The matrix as text; what is worth less than random images has an arrow."""
    worse = below_random(found)
    return [
        (row[0].learned, *(f"{cell} {BELOW}" if cell.tested in worse.get(cell.learned, ()) else str(cell) for cell in row)) for row in found
    ]


def notes(settings: TransferSettings, found: Sequence[Sequence[Transferred]]) -> list[str]:
    """What must be said below the matrix."""
    how, random = settings.evaluation, found[0][0]
    sets = f"{settings.seeds} set{'' if settings.seeds == 1 else 's'}"
    said = [
        f"Test accuracy in percent of the networks above, trained on the set in front: mean and deviation over {sets} x {how.networks} "
        f"networks of {how.recipe.epochs:,} epochs. {random.learned}: as many real images."
    ]
    rates = {row.label: row.method.lr for row in rows_of(settings) if row.method.lr is not None}
    said += [f"Learning rates of images: {', '.join(f'{label} {lr:g}' for label, lr in rates.items())}."] if rates else []
    for label, tested in below_random(found).items():
        (method,) = (row.method for row in rows_of(settings) if row.label == label)
        said.append(f"{BELOW} learned on {label}: worth less than random images on {', '.join(tested)}. To try, one by one:")
        said += [f"  {line}" for line in what_to_try(method)]
    failed = {run: reason for row in found for cell in row for run, reason in cell.failed.items()}
    return [*said, *(f"{run} failed: {reason}" for run, reason in failed.items())]


def markdown(settings: TransferSettings, found: Sequence[Sequence[Transferred]]) -> str:
    """The matrix and its notes."""
    head = columns(settings, found)
    table = markdown_table(head, lines(found))
    listed = "\n".join(f"  - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in notes(settings, found))
    return f"# {title(settings)}\n\n{table}\n\n![{PICTURE}]({PICTURE})\n\n{listed}\n"


def as_json(settings: TransferSettings, found: Sequence[Sequence[Transferred]], folder: Path) -> dict[str, Any]:
    """The matrix with everything that is known of it."""
    about = read_json(folder / SETTINGS)
    return {
        "settings": to_dict(settings),
        "rows": [{"label": row.label, "method": to_dict(row.method)} for row in rows_of(settings)],
        "cells": [_cell(cell) for row in found for cell in row],
        "below_random": below_random(found),
        **{key: about.get(key) for key in ("data", "versions", "machine")},
    }


def figure(settings: TransferSettings, found: Sequence[Sequence[Transferred]]) -> Figure:
    """The matrix; the colour says by how much a set is better (green) or worse (brown) than random images on the same network."""
    from matplotlib.figure import Figure

    gains = [[_gain(cell, base) for cell, base in zip(row, found[0], strict=True)] for row in found]
    most = max([MOST_COLOUR, *(abs(gain) for row in gains for gain in row if gain == gain)])
    made = Figure(figsize=(2.4 + 1.35 * len(found[0]), 1.5 + 0.55 * len(found)), layout="constrained")
    axes = made.subplots()
    shown = axes.imshow(gains, cmap="BrBG", vmin=-most, vmax=most, aspect="auto")
    for place, row in enumerate(found):
        for column, cell in enumerate(row):
            dark = abs(gains[place][column]) > 0.6 * most
            axes.text(column, place, str(cell), ha="center", va="center", fontsize=9, color="white" if dark else "#1c1c20")
    axes.set_xticks(range(len(found[0])), [cell.tested for cell in found[0]])
    axes.set_yticks(range(len(found)), [row[0].learned for row in found])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlabel="tested on", ylabel="learned on")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    made.colorbar(shown, ax=axes, label=f"points above {RANDOM}", shrink=0.9).outline.set_visible(False)
    made.suptitle(title(settings), fontsize=11)
    return made


def _gain(cell: Transferred, base: Transferred) -> float:
    return cell.mean - base.mean if cell.values and base.values else float("nan")


def _tested(settings: TransferSettings, folder: Path, row: Learned, spec: NetworkSpec, failures: Mapping[str, Any]) -> Transferred:
    values: list[tuple[float, ...]] = []
    failed: dict[str, str] = {}
    for seed in range(settings.seeds):
        name = cell_name(row, seed, spec)
        path = folder / CELLS / f"{name}.json"
        if path.exists():
            (score,) = read_json(path)["sets"].values()
            values.append(tuple(score["values"][0]))
        failed |= {one: str(failures[one]["reason"]) for one in (name, set_name(row, seed)) if one in failures}
    return Transferred(row.label, network_label(spec), tuple(values), settings.seeds, failed)


def _cell(cell: Transferred) -> dict[str, Any]:
    known: dict[str, Any] = {"learned": cell.learned, "tested": cell.tested, "sets": cell.sets, "failed": dict(cell.failed)}
    if cell.values:
        known |= {"mean": round(cell.mean, 3), "deviation": round(cell.deviation, 3), "count": sum(map(len, cell.values))}
    return {**known, "values": [list(of_set) for of_set in cell.values]}
