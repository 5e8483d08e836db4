"""Time, memory and machine on a page, and the curve of the loss."""

from collections.abc import Mapping, Sequence
from typing import Any

from condensation.core.memory import readable
from condensation.evaluation.scores import Scores
from condensation.report.page.charts import ACCURACY_SPAN, Chart, Series
from condensation.report.page.parts import Facts, Section
from condensation.runs.curve import curve_points
from condensation.runs.loss_log import LogLine

MOST_POINTS = 150  # of a curve; of more, means with the smallest and the largest of each are drawn


def loss_section(log: Sequence[LogLine]) -> list[Section]:
    """Return the section with the curve of the loss; none without a log."""
    return [Section("Loss", [Chart("Loss while condensing", "step", "loss", [loss_series(log)], logarithmic=True)])] if log else []


def accuracy_curve(curve: Scores | None, scores: Scores | None, steps: object) -> list[Section]:
    """Return the section with the accuracies of intermediate sets, the last of which is the set itself; none without them."""
    if curve is None or not curve.sets:
        return []
    points: list[tuple[float, float]] = [*curve_points(curve)]
    final = [score.mean for score in scores.sets.values()] if scores else []
    series = [Series("condensed", points + ([(steps, final[0])] if final and isinstance(steps, int) else []))]
    if len(final) == 2:  # the baseline
        series.append(Series("random real images", [(points[0][0], final[1]), (series[0].points[-1][0], final[1])], color=1))
    return [Section("Learning curve", [Chart("Accuracy while condensing", "step", "test accuracy, %", series, least_span=ACCURACY_SPAN)])]


def loss_series(log: Sequence[LogLine]) -> Series:
    """Return the losses, or the means of neighbouring ones if there are many."""
    width = -(-len(log) // MOST_POINTS)
    groups = [log[begin : begin + width] for begin in range(0, len(log), width)]
    points = [(group[-1].step, sum(line.loss for line in group) / len(group)) for group in groups]
    spans = [(min(line.loss for line in group), max(line.loss for line in group)) for group in groups] if width > 1 else ()
    return Series("loss", points, spans)


def cost_section(log: Sequence[LogLine], scores: Scores | None, machine: Mapping[str, Any]) -> list[Section]:
    """Return the section with times, memory and machine; none if all are unknown."""
    seconds = log[-1].seconds if log else 0.0
    evaluating = sum(score.seconds or 0.0 for score in scores.sets.values()) if scores else 0.0
    peak = (log[-1].memory if log else None) or {}
    facts = [
        ("condensing", duration(seconds) if seconds else ""),
        ("steps per second", f"{log[-1].step / seconds:.3g}" if seconds else ""),
        ("evaluating", duration(evaluating) if evaluating else ""),
        ("most memory of the process", readable(peak["process"]) if "process" in peak else ""),
        ("most memory on the GPU", readable(peak["gpu"]) if "gpu" in peak else ""),
        *machine_facts(machine),
    ]
    return [Section("Cost", [Facts(facts)])] if any(value for _, value in facts) else []


def machine_facts(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the properties of the machine and the versions of packages."""
    names = {"gpu": "GPU", "cpu": "CPU instructions"}
    return [(names.get(key, key), str(value)) for key, value in machine.items() if value is not None]


def duration(seconds: float) -> str:
    """Return a time in a suitable unit."""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
