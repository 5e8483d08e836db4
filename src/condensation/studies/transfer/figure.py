"""Figure of a transfer matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from condensation.studies.transfer.cells import Matrix, TransferCell
from condensation.studies.transfer.study import RANDOM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FULL_COLOR = 20.0  # difference from random images in points, at least, that gets the full color


def transfer_figure(title: str, matrix: Matrix) -> Figure:
    """Draw the matrix; color shows how much a set is better (green) or worse (brown) than random images on the same network."""
    from matplotlib.figure import Figure

    gains = [[_gain(cell, base) for cell, base in zip(row, matrix[0], strict=True)] for row in matrix]
    limit = max([FULL_COLOR, *(abs(gain) for row in gains for gain in row if gain == gain)])
    figure = Figure(figsize=(2.4 + 1.35 * len(matrix[0]), 1.5 + 0.55 * len(matrix)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(gains, cmap="BrBG", vmin=-limit, vmax=limit, aspect="auto")
    for line, row in enumerate(matrix):
        for column, cell in enumerate(row):
            dark = abs(gains[line][column]) > 0.6 * limit
            axes.text(column, line, str(cell), ha="center", va="center", fontsize=9, color="white" if dark else "#1c1c20")
    axes.set_xticks(range(len(matrix[0])), [cell.tested for cell in matrix[0]])
    axes.set_yticks(range(len(matrix)), [row[0].learned for row in matrix])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlabel="tested on", ylabel="learned on")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=f"points above {RANDOM}", shrink=0.9).outline.set_visible(False)
    figure.suptitle(title, fontsize=11)
    return figure


def _gain(cell: TransferCell, base: TransferCell) -> float:
    return cell.mean - base.mean if cell.values and base.values else float("nan")
