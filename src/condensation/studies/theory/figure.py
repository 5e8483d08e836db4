"""The picture of `condensation.studies.theory.study`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from condensation.core.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ZERO = "head of zeros"
CURVES = (("cosine", "#1b7f79", "cosine of the pixel gradients"), ("rank_correlation", "#b5542b", "rank correlation of the losses"))
UNTRAINED, TRAINED = "#7d7d87", "#3f51a3"


def figure(measured: Mapping[str, Any]) -> Figure:
    """Left: both losses, pair by pair, at the beginning and at the end. Right: how well they agree, as training goes on."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(9.2, 3.9), layout="constrained")
    left, right = made.subplots(1, 2)
    first = measured["networks"][0]
    trained = [one for one in first if one["after"] != ZERO]
    for one, colour in zip(trained[:: max(1, len(trained) - 1)], (UNTRAINED, TRAINED), strict=False):
        label = f"{stage(one['after'])}, rank correlation {one['rank_correlation']:.2f}"
        scaled = [_relative(one[name]) for name in ("feature_losses", "gradient_losses")]
        left.scatter(*scaled, s=18, color=colour, alpha=0.75, label=label, linewidths=0)
    left.set(xlabel="feature matching loss / its mean", ylabel="last-layer gradient matching loss / its mean")
    left.set_title("A point: two random subsets, on one network", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    steps = [one["after"] for one in trained]
    for name, colour, label in CURVES:
        means = {one["after"]: one[name] for one in measured["means"]}
        right.axhline(means[ZERO], color=colour, linestyle=":", linewidth=1)
        right.plot(range(len(steps)), [means[step] for step in steps], "o-", color=colour, label=label, markersize=5)
        for of_network in measured["networks"]:
            values = [one[name] for one in of_network if one["after"] != ZERO]
            right.plot(range(len(steps)), values, ".", color=colour, alpha=0.4, markersize=5)
    right.set_xticks(range(len(steps)), [str(step) for step in steps])
    right.set(xlabel="epochs of training before (dotted: head of zeros)", ylim=(min(0.0, right.get_ylim()[0]), 1.08))
    right.set_title("How well both agree: mean of all networks; dots: each", fontsize=10)
    right.legend(fontsize=8, frameon=False, loc="lower left")
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return made


def _relative(numbers: Sequence[float]) -> list[float]:
    mean = sum(numbers) / len(numbers)
    return [number / mean for number in numbers]


def stage(after: str | int) -> str:
    """How far a network was trained when it was measured, in words."""
    if isinstance(after, str):
        return after
    return f"after {counted(after, 'epoch')}" if after else "untrained"
