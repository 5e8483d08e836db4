"""Figure of continual learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from condensation.studies.continual.curves import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#7d7d87", "#b5542b", "#1b7f79", "#3f51a3", "#a8862b", "#8c3f86")


def continual_figure(curves: Curves, title: str) -> Figure:
    """Draw accuracy against what was seen, one line per method; bands are deviations over all networks of all orders."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    last = next((points[-1].seen for points in curves.steps.values() if points[-1].seen), None)
    for number, (label, points) in enumerate(curves.steps.items()):
        color = COLORS[number % len(COLORS)]
        drawn = [point for point in points if point.values and point.seen]
        seen = [point.seen or 0 for point in drawn]
        lower, upper = ([point.mean + side * point.deviation for point in drawn] for side in (-1, 1))
        axes.fill_between(seen, lower, upper, color=color, alpha=0.15, linewidth=0)
        axes.plot(seen, [point.mean for point in drawn], "o-", color=color, markersize=5, label=label)
        if label in curves.published and last:
            hollow: dict[str, Any] = {"markerfacecolor": "white", "markersize": 7, "clip_on": False, "linestyle": "", "zorder": 3}
            axes.plot(last, curves.published[label].mean, "D", color=color, label=f"{label}, published", **hollow)
    axes.set(xlabel=f"{curves.settings.unit} seen so far", ylabel="test accuracy on them, %")
    axes.set_xticks(sorted({point.seen for points in curves.steps.values() for point in points if point.seen}))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False, fontsize=9)
    axes.set_title(title, fontsize=11)
    return figure
