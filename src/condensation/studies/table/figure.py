"""Figure of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from condensation.core.text import counted
from condensation.studies.study import MEASURED, PUBLISHED
from condensation.studies.table.cells import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def table_figure(title: str, cells: Sequence[Cell]) -> Figure:
    """Draw one panel per ipc and one line per method: measured filled, published hollow, deviations as bars."""
    from matplotlib.figure import Figure

    labels, all_ipc = list(dict.fromkeys(cell.method for cell in cells)), list(dict.fromkeys(cell.ipc for cell in cells))
    figure = Figure(figsize=(2.2 + 2.9 * len(all_ipc), 1.5 + 0.42 * len(labels)), layout="constrained")
    panels = figure.subplots(1, len(all_ipc), sharey=True, squeeze=False)[0]
    shape = {"markersize": 6, "capsize": 3}
    for panel, ipc in zip(panels, all_ipc, strict=True):
        for cell in (cell for cell in cells if cell.ipc == ipc):
            line = labels.index(cell.method)
            if cell.failed and not cell.values:
                panel.text(0.02, line - 0.14, "failed", color=MEASURED, fontsize=9, va="center", transform=panel.get_yaxis_transform())
            if cell.published:
                hollow = {"fmt": "D", "color": PUBLISHED, "markerfacecolor": "white", "label": "published", **shape}
                panel.errorbar(cell.published.mean, line + 0.14, xerr=cell.published.deviation or 0, **hollow)
            if cell.values:
                panel.errorbar(cell.mean, line - 0.14, xerr=cell.deviation, fmt="o", color=MEASURED, label="measured", **shape)
        panel.set_title(f"{counted(ipc, 'image')} per class", fontsize=10)
        panel.grid(axis="x", alpha=0.25)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    figure.supxlabel("test accuracy, %", fontsize=10)
    figure.suptitle(title, fontsize=12)
    shown = {text: handle for panel in panels for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    names = [name for name in ("measured", "published") if name in shown]
    figure.legend([shown[name] for name in names], names, loc="outside lower right", ncols=2, frameon=False, fontsize=9)
    return figure
