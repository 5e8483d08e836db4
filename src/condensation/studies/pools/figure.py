"""The pictures of an ablation over buckets of networks: accuracies as a curve, and a row of learned images for each bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.errors import CondensationError
from condensation.core.text import counted
from condensation.data.load import titled
from condensation.report.grid import grid
from condensation.studies.pools.study import RUNS, PoolsSettings
from condensation.studies.table.report import OURS, THEIRS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from condensation.studies.pools.report import Ablation


def title(settings: PoolsSettings) -> str:
    """What the ablation is of."""
    return f"{titled(settings.source)}: {settings.method_settings['name']} on networks of a pool"


def curve(found: Ablation) -> Figure:
    """Accuracy by bucket, a panel for each ipc: ours filled, published hollow, deviations as bars."""
    from matplotlib.figure import Figure

    names, several = list(found.settings.names), found.settings.ipc
    made = Figure(figsize=(2.6 + 0.72 * len(names), 1.3 + 2.4 * len(several)), layout="constrained")
    panels = made.subplots(len(several), 1, sharex=True, squeeze=False)[:, 0]
    for panel, ipc in zip(panels, several, strict=True):
        theirs = {names.index(cell.bucket): cell.published.mean for cell in found.at(ipc) if cell.published}
        if theirs:
            panel.plot(list(theirs), list(theirs.values()), "D", color=THEIRS, markerfacecolor="white", markersize=6, label="published")
        done = [cell for cell in found.at(ipc) if cell.values]
        bar: dict[str, Any] = {"fmt": "o", "color": OURS, "markersize": 6, "capsize": 3, "label": "ours"}
        places, deviations = [names.index(cell.bucket) for cell in done], [cell.deviation for cell in done]
        panel.errorbar(places, [cell.mean for cell in done], yerr=deviations, **bar)
        panel.set_title(f"{counted(ipc, 'image')} per class", fontsize=10)
        panel.grid(axis="y", alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xticks(range(len(names)), names)
    panels[-1].set(xlabel="validation accuracy of the networks that embed, %", xlim=(-0.5, len(names) - 0.5))
    made.supylabel("test accuracy, %", fontsize=10)
    made.suptitle(title(found.settings), fontsize=12)
    shown = {text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    made.legend(shown.values(), shown.keys(), loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return made


def rows(found: Ablation, ipc: int) -> Image.Image:
    """A row for each bucket: of every class the first image learned by it at ``ipc``.

    Raises:
        CondensationError: if no set of that ipc is there yet.
    """
    sets = {cell.bucket: CondensedSet.load(found.folder / RUNS / cell.runs[0]).images for cell in found.at(ipc) if cell.runs}
    if not sets:
        raise CondensationError(f"No set of {counted(ipc, 'image')} a class is there yet in {found.folder}.")
    said = "Rows: validation accuracy (%) of the networks that embed"
    return grid(sets, rows=1, title=f"{title(found.settings)}, {counted(ipc, 'image')} a class\n{said}")
