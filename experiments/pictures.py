"""Pictures of docs/results.md."""

from typing import Any

from matplotlib.ticker import FuncFormatter, NullFormatter

from condensation.data.load import dataset_title
from condensation.methods.registry import method_title
from condensation.studies.study import MEASURED, PUBLISHED, new_figure, style
from experiments.measured import Measured

COLOURS = {"mnist": "#7a7a2a", "fashion-mnist": "#1b7f79", "cifar10": "#3f51a3", "cifar100": "#a33f7c"}
OTHER = "#7d7d87"
LEAST = 6.0  # points that an axis of a curve spans at least, so that noise does not look like a trend


def against_published(rows: list[Measured], near: float) -> Any:
    """Draw measured against published accuracy with the diagonal; a point that is further than ``near`` from it is hollow."""
    figure = new_figure(6.2, 6.0)
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color="#55555c", linewidth=0.9)
    for data in dict.fromkeys(row.data for row in rows):
        own = [row for row in rows if row.data == data and row.published]
        pairs = [(row.published.mean, row.score["mean"]) for row in own if row.published]
        colour = COLOURS.get(data, OTHER)
        faces = [colour if abs(row.apart or 0) <= near else "white" for row in own]
        published, reached = zip(*pairs, strict=True)
        axes.scatter(published, reached, s=30, facecolors=faces, edgecolors=colour, linewidths=1.2, zorder=3)
        axes.scatter([], [], s=30, color=colour, label=dataset_title(data))
    axes.scatter([], [], s=30, facecolors="white", edgecolors="#55555c", label=f"further than {near:g} points")
    axes.set(xlabel="published test accuracy, %", ylabel="measured test accuracy, %", xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.legend(fontsize=9, frameon=False, loc="upper left")
    style(axes)
    return figure


def curves(rows: list[Measured]) -> Any:
    """Draw the accuracy after steps of each row in a panel of its own, with the published number dashed."""
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure = new_figure(3.2 * columns, 2.5 * lines)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for row, axes in zip(rows, panels, strict=False):
        steps = [step for step in sorted(row.curve) if step]  # a logarithmic axis has no 0
        heights = [row.curve[step] for step in steps]
        axes.plot(steps, heights, "o-", color=MEASURED, markersize=4)
        if row.published:
            axes.axhline(row.published.mean, color=PUBLISHED, linestyle="--", linewidth=1)
            heights.append(row.published.mean)
        middle, half = (max(heights) + min(heights)) / 2, max(LEAST, 1.15 * (max(heights) - min(heights))) / 2
        axes.set(xscale="log", ylim=(middle - half, middle + half), xlabel="steps", ylabel="accuracy, %")
        axes.set_title(f"{dataset_title(row.data)}, {row.ipc} per class: {method_title(row.method)}", fontsize=9)
        axes.set_xticks(steps if len(steps) < 5 else steps[::2])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(labelsize=8)
        style(axes)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    return figure
