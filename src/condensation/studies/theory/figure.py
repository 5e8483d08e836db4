"""Figure of the comparison of gradient matching with feature matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from condensation.core.text import counted
from condensation.studies.theory.study import ZERO, Measurement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = (("cosine", "#1b7f79", "cosine of the pixel gradients"), ("rank_correlation", "#b5542b", "rank correlation of the losses"))
UNTRAINED, TRAINED = "#7d7d87", "#3f51a3"


def theory_figure(networks: Sequence[Sequence[Measurement]], means: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw both losses pair by pair, at the beginning and the end (left), and their agreement during training (right)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    trained = [measurement for measurement in networks[0] if measurement.after != ZERO]
    for measurement, color in zip(trained[:: max(1, len(trained) - 1)], (UNTRAINED, TRAINED), strict=False):
        label = f"{stage(measurement.after)}, rank correlation {measurement.rank_correlation:.2f}"
        scaled = [_relative(values) for values in (measurement.feature_losses, measurement.gradient_losses)]
        left.scatter(*scaled, s=18, color=color, alpha=0.75, label=label, linewidths=0)
    left.set(xlabel="feature matching loss / its mean", ylabel="last-layer gradient matching loss / its mean")
    left.set_title("Each point: two random subsets, on one network", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    steps = [measurement.after for measurement in trained]
    for name, color, label in CURVES:
        by_stage = {mean["after"]: mean[name] for mean in means}
        right.axhline(by_stage[ZERO], color=color, linestyle=":", linewidth=1)
        right.plot(range(len(steps)), [by_stage[step] for step in steps], "o-", color=color, label=label, markersize=5)
        for measurements in networks:
            values = [getattr(measurement, name) for measurement in measurements if measurement.after != ZERO]
            right.plot(range(len(steps)), values, ".", color=color, alpha=0.4, markersize=5)
    right.set_xticks(range(len(steps)), [str(step) for step in steps])
    right.set(xlabel="epochs of training before (dotted: head of zeros)", ylim=(min(0.0, right.get_ylim()[0]), 1.08))
    right.set_title("Agreement of both: mean of all networks; dots: each", fontsize=10)
    right.legend(fontsize=8, frameon=False, loc="lower left")
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _relative(numbers: Sequence[float]) -> list[float]:
    mean = sum(numbers) / len(numbers)
    return [number / mean for number in numbers]


def stage(after: str | int) -> str:
    """Return how far a network was trained, in words."""
    if isinstance(after, str):
        return after
    return f"after {counted(after, 'epoch')}" if after else "untrained"
