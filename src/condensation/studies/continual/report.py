"""Report of continual learning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.methods.registry import method_title
from condensation.report.page.charts import Chart, Series
from condensation.studies.continual.curves import Curves, StepScore, curves_in
from condensation.studies.continual.study import MEMORIES, ContinualSettings, MemoryStep, shared_name
from condensation.studies.published_numbers import source_notes
from condensation.studies.scores import failure_notes
from condensation.studies.study import StudyReport, new_figure, style

COLORS = ("#7d7d87", "#b5542b", "#1b7f79", "#3f51a3", "#a8862b", "#8c3f86")


def continual_report(settings: ContinualSettings, folder: Path) -> StudyReport:
    """Return the report of the curves in ``folder``."""
    curves = curves_in(settings, folder)
    columns = (f"{settings.unit} seen", *settings.methods)
    steps = "" if settings.tasks else f"{counted(settings.steps, 'step')}, "
    source = " then ".join(settings.tasks) or dataset_title(settings.source)
    title = f"{source}: {steps}{counted(settings.ipc, 'image')} of each class in memory"
    missing = sum(point.missing for points in curves.steps.values() for point in points)
    return StudyReport(
        title=title,
        columns=columns,
        rows=continual_rows(curves),
        notes=continual_notes(curves),
        json={
            "methods": curves.methods,
            "curves": {label: [point.to_json() for point in points] for label, points in curves.steps.items()},
            "published": to_dict(curves.published),
            "differences": to_dict(curves.differences),
        },
        figures={"continual.png": lambda: continual_figure(curves, title)},
        places={"Picture": "continual.png", "Curves": "continual.md", "Memories": MEMORIES},
        missing=f"{counted(missing, 'point')} of curves" if missing else "",
        charts=lambda: [continual_chart(curves)],
        sets={} if settings.tasks else {method_title(label): _memory(settings, folder / MEMORIES, label) for label in settings.methods},
    )


def continual_chart(curves: Curves) -> Chart:
    """Return the chart of accuracy against what was seen, with deviations, and the published accuracies of the last step."""
    series = []
    for color, (label, points) in enumerate(curves.steps.items()):
        drawn = [(point, float(point.seen)) for point in points if point.values and point.seen]
        spans = [(point.mean - point.deviation, point.mean + point.deviation) for point, _ in drawn]
        series.append(Series(method_title(label), [(seen, point.mean) for point, seen in drawn], spans, color))
        if label in curves.published and drawn:
            end = [(drawn[-1][1], curves.published[label].mean)]
            series.append(Series(f"{method_title(label)}, published", end, color=color, joined=False, hollow=True))
    return Chart("Accuracy on all that was seen", f"{curves.settings.unit} seen so far", "test accuracy, %", series)


def _memory(settings: ContinualSettings, memories: Path, label: str) -> list[Path]:
    """Return the run folders of the first order, which together hold the last memory."""
    shared = memories / shared_name(label)
    return [shared] if shared.exists() else [memories / MemoryStep(label, 0, step).memory for step in range(settings.count)]


def continual_rows(curves: Curves) -> tuple[tuple[str, ...], ...]:
    """Return one row per step, then one with the published numbers of the last step."""
    steps = list(zip(*curves.steps.values(), strict=True))
    rows = [(_seen(points), *map(str, points)) for points in steps]
    if curves.published:
        published = [str(curves.published[label]) if label in curves.published else "-" for label in curves.settings.methods]
        rows.append((f"{_seen(steps[-1])}, published", *published))
    return tuple(rows)


def continual_notes(curves: Curves) -> tuple[str, ...]:
    """Return the lines below the table."""
    settings, evaluation = curves.settings, curves.settings.evaluation
    orders = counted(settings.orders, "order")
    over = "on the test images of all classes seen so far"
    if settings.tasks:
        over = "as the mean over the data sets seen so far; each is condensed once for each order, and the sequence is always the same"
    lines = [
        f"Test accuracy in percent {over}: mean and population deviation over {orders} x {counted(evaluation.networks, 'network')}. "
        f"After each step, new networks are trained from scratch on the memory alone, {counted(evaluation.recipe.epochs, 'epoch')}; "
        "test images decided nothing."
    ]
    if settings.memory == "shared":
        lines.append("All orders share the memory of a classwise method: the deviation does not include that of memories.")
    for label, points in curves.steps.items():
        missing = settings.orders - len(points[-1].values)
        lines += [f"{label}: {missing} of {orders} not done."] if missing and not points[-1].failed else []
    lines += source_notes(curves.published.values())
    lines += [f"{label}: {', '.join(texts)}." for label, texts in curves.differences.items() if texts]
    return (*lines, *failure_notes(point for points in curves.steps.values() for point in points))


def _seen(points: Sequence[StepScore]) -> str:
    return next((str(point.seen) for point in points if point.seen), f"step {points[0].step}")


def continual_figure(curves: Curves, title: str) -> Any:
    """Return the figure of accuracy against what was seen: one line per method; bands are deviations over all networks of all orders."""
    figure = new_figure(7.2, 4.0)
    axes = figure.subplots()
    last = next((points[-1].seen for points in curves.steps.values() if points[-1].seen), None)
    for number, (label, points) in enumerate(curves.steps.items()):
        color = COLORS[number % len(COLORS)]
        drawn = [point for point in points if point.values and point.seen]
        seen = [point.seen or 0 for point in drawn]
        lower, upper = ([point.mean + side * point.deviation for point in drawn] for side in (-1, 1))
        axes.fill_between(seen, lower, upper, color=color, alpha=0.15, linewidth=0)
        axes.plot(seen, [point.mean for point in drawn], "o-", color=color, markersize=5, label=method_title(label))
        if label in curves.published and last:
            hollow: dict[str, Any] = {"markerfacecolor": "white", "markersize": 7, "clip_on": False, "linestyle": "", "zorder": 3}
            axes.plot(last, curves.published[label].mean, "D", color=color, label=f"{method_title(label)}, published", **hollow)
    axes.set(xlabel=f"{curves.settings.unit} seen so far", ylabel="test accuracy on them, %")
    axes.set_xticks(sorted({point.seen for points in curves.steps.values() for point in points if point.seen}))
    style(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False, fontsize=9)
    axes.set_title(title, fontsize=11)
    return figure
