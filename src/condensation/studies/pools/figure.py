"""Figures of the ablation over buckets of networks: accuracies, and learned images of each bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.core.errors import CondensationError
from condensation.core.text import counted
from condensation.report.grid import grid
from condensation.studies.pools.buckets import Ablation
from condensation.studies.pools.study import RUNS
from condensation.studies.study import MEASURED, PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy_figure(ablation: Ablation, title: str) -> Figure:
    """Draw accuracy by bucket, one panel per ipc: measured filled, published hollow, deviations as bars."""
    from matplotlib.figure import Figure

    names, all_ipc = list(ablation.settings.bucket_names), ablation.settings.ipc
    figure = Figure(figsize=(2.6 + 0.72 * len(names), 1.3 + 2.4 * len(all_ipc)), layout="constrained")
    panels = figure.subplots(len(all_ipc), 1, sharex=True, squeeze=False)[:, 0]
    for panel, ipc in zip(panels, all_ipc, strict=True):
        published = {names.index(cell.bucket): cell.published.mean for cell in ablation.at(ipc) if cell.published}
        if published:
            hollow: dict[str, Any] = {"color": PUBLISHED, "markerfacecolor": "white", "markersize": 6, "label": "published"}
            panel.plot(list(published), list(published.values()), "D", **hollow)
        done = [cell for cell in ablation.at(ipc) if cell.values]
        filled: dict[str, Any] = {"fmt": "o", "color": MEASURED, "markersize": 6, "capsize": 3, "label": "measured"}
        places, deviations = [names.index(cell.bucket) for cell in done], [cell.deviation for cell in done]
        panel.errorbar(places, [cell.mean for cell in done], yerr=deviations, **filled)
        panel.set_title(f"{counted(ipc, 'image')} per class", fontsize=10)
        panel.grid(axis="y", alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xticks(range(len(names)), names)
    panels[-1].set(xlabel="validation accuracy of the embedding networks, %", xlim=(-0.5, len(names) - 0.5))
    figure.supylabel("test accuracy, %", fontsize=10)
    figure.suptitle(title, fontsize=12)
    shown = {text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return figure


def sets_at(ablation: Ablation, ipc: int) -> dict[str, str]:
    """Return the run folder of the first set of each bucket at ``ipc`` that still exists."""
    folders = {cell.bucket: ablation.folder / RUNS / cell.runs[0] for cell in ablation.at(ipc) if cell.runs}
    return {bucket: str(folder) for bucket, folder in folders.items() if (folder / SET).exists()}


def images_figure(ablation: Ablation, title: str, ipc: int) -> Image.Image:
    """Draw one row per bucket: the first learned image of each class at ``ipc``."""
    sets = {bucket: CondensedSet.load(folder).images for bucket, folder in sets_at(ablation, ipc).items()}
    if not sets:
        raise CondensationError(f"There is no set with {counted(ipc, 'image')} per class in {ablation.folder}.")
    rows = "Rows: validation accuracy (%) of the embedding networks"
    return grid(sets, rows=1, title=f"{title}, {counted(ipc, 'image')} per class\n{rows}")
