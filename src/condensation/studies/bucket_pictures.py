"""The pictures of an ablation over buckets of networks: accuracies as a curve, and a row of learned images for each bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from condensation.artifact import CondensedSet
from condensation.errors import CondensationError
from condensation.report.grid import grid
from condensation.studies.pages import OURS, THEIRS
from condensation.studies.pools import RUNS, PoolsSettings
from condensation.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from condensation.studies.buckets import Ablation

COLOURS = (OURS, "#3f51a3", "#7d7d87")
MARKS = ("D:", "s:", "^:")  # of published numbers


def title(settings: PoolsSettings) -> str:
    """What the ablation is of."""
    return f"{settings.source}: {settings.method_settings['name']} on networks of a pool"


def curve(found: Ablation) -> Figure:
    """Accuracy by bucket, a line for each ipc; published numbers hollow."""
    from matplotlib.figure import Figure

    names = list(found.settings.names)
    made = Figure(figsize=(3.2 + 0.72 * len(names), 3.9), layout="constrained")
    axes = made.subplots()
    for number, ipc in enumerate(found.settings.ipc):
        cells = found.at(ipc)
        done = [cell for cell in cells if cell.values]
        ours: dict[str, Any] = {"fmt": "o-", "color": COLOURS[number % 3], "markersize": 6, "capsize": 3, "linewidth": 1}
        places = [names.index(cell.bucket) for cell in done]
        errors = [cell.deviation for cell in done]
        axes.errorbar(places, [cell.mean for cell in done], yerr=errors, label=f"ours, ipc {ipc}", **ours)
        theirs = {names.index(cell.bucket): cell.published.mean for cell in cells if cell.published}
        if theirs:
            label = f"published, ipc {ipc}"
            axes.plot(list(theirs), list(theirs.values()), MARKS[number % 3], color=THEIRS, markerfacecolor="white", label=label)
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="validation accuracy of the networks that embed, %", ylabel="test accuracy, %", xlim=(-0.5, len(names) - 0.5))
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    made.legend(fontsize=8, frameon=False, loc="outside right center")
    made.suptitle(title(found.settings), fontsize=11)
    return made


def rows(found: Ablation, ipc: int) -> Image.Image:
    """A row for each bucket: of every class the first image learned by it at ``ipc``.

    Raises:
        CondensationError: if no set of that ipc is there yet.
    """
    sets = {cell.bucket: CondensedSet.load(found.folder / RUNS / cell.runs[0]).images for cell in found.at(ipc) if cell.runs}
    if not sets:
        raise CondensationError(f"No set of {counted(ipc, 'image')} a class is there yet in {found.folder}.")
    said = "A row for each bucket: validation accuracy, in percent, of the networks that embed"
    return grid(sets, rows=1, title=f"{title(found.settings)}, {counted(ipc, 'image')} a class\n{said}")
