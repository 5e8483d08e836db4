"""What continual learning came to so far: a curve for each method, as JSON, as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write, write_json
from condensation.core.text import counted
from condensation.data.load import titled
from condensation.evaluation.compare import EvaluationSettings
from condensation.report.tables import markdown_table
from condensation.runs.presets import preset_for
from condensation.runs.run import SETTINGS as RUN_SETTINGS
from condensation.runs.run import RunSettings
from condensation.studies.continual.study import MEMORIES, STEPS, ContinualSettings, Part, file_of, shared_name, so_far
from condensation.studies.jobs import failures_in
from condensation.studies.published_numbers import UNVERIFIED, Number, continual, published_continual, sources
from condensation.studies.published_numbers import columns as published_columns
from condensation.studies.scores import Scored
from condensation.studies.study_folder import SETTINGS
from condensation.studies.table.cells import differences
from condensation.studies.table.report import png
from condensation.training.train import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JSON, MARKDOWN, PICTURE = "continual.json", "continual.md", "continual.png"
COLOURS = ("#7d7d87", "#b5542b", "#1b7f79", "#3f51a3", "#a8862b", "#8c3f86")


@dataclass(frozen=True)
class StepScore(Scored):
    """A point of a curve: what networks know after a step of all that was learned so far."""

    label: str
    step: int  # from 0
    seen: int | None  # classes, or data sets; None: no order has come so far
    values: tuple[tuple[float, ...], ...]  # test accuracies in percent: (orders, networks), of the orders that are done
    orders: int  # that are asked for
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Retention:
    """The curves in a folder, as far as they are done."""

    settings: ContinualSettings
    curves: Mapping[str, Sequence[StepScore]]  # of each method, step by step
    published: Mapping[str, Number]  # of each method, after the last step
    differences: Mapping[str, tuple[str, ...]]  # of each of those: in what the settings differ

    def plot(self) -> Figure:
        """Accuracy against what was seen, a line a method; the band is the deviation over all networks of all orders."""
        from matplotlib.figure import Figure

        made = Figure(figsize=(7.2, 4.0), layout="constrained")
        axes = made.subplots()
        last = next((curve[-1].seen for curve in self.curves.values() if curve[-1].seen), None)
        for place, (label, curve) in enumerate(self.curves.items()):
            colour = COLOURS[place % len(COLOURS)]
            points = [point for point in curve if point.values and point.seen]
            seen = [point.seen or 0 for point in points]
            lower, upper = ([point.mean + side * point.deviation for point in points] for side in (-1, 1))
            axes.fill_between(seen, lower, upper, color=colour, alpha=0.15, linewidth=0)
            axes.plot(seen, [point.mean for point in points], "o-", color=colour, markersize=5, label=label)
            if label in self.published and last:
                hollow: dict[str, Any] = {"markerfacecolor": "white", "markersize": 7, "clip_on": False, "linestyle": "", "zorder": 3}
                axes.plot(last, self.published[label].mean, "D", color=colour, label=f"{label}, published", **hollow)
        axes.set(xlabel=f"{unit(self.settings)} seen so far", ylabel="test accuracy on them, %")
        axes.set_xticks(sorted({point.seen for curve in self.curves.values() for point in curve if point.seen}))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False, fontsize=9)
        axes.set_title(title(self.settings), fontsize=11)
        return made


def unit(settings: ContinualSettings) -> str:
    """What is counted along the curves."""
    return "data sets" if settings.tasks else "classes"


def retained(settings: ContinualSettings, folder: str | Path) -> Retention:
    """The curves in ``folder``, as far as they are done."""
    folder = Path(folder)
    failures = {**failures_in(folder / MEMORIES), **failures_in(folder / STEPS)}
    curves = {label: tuple(_known(settings, folder, label, step, failures) for step in range(settings.count)) for label in settings.methods}
    other = settings.tasks or settings.data_settings.get("classes")  # other data than those of the paper
    numbers = {} if other else published_continual(settings.source, settings.ipc, settings.steps)
    beside = {label: numbers.get(str(settings.method_settings(label)["name"])) for label in settings.methods}
    found = {label: number for label, number in beside.items() if number}
    return Retention(settings, curves, found, {label: _differences(settings, folder, label) for label in found})


def write_continual(settings: ContinualSettings, folder: Path) -> Retention:
    """Write ``continual.json``, ``continual.md`` and ``continual.png`` from what is in ``folder`` so far; return the curves."""
    found = retained(settings, folder)
    write_json(folder / JSON, as_json(found, folder))
    write(folder / MARKDOWN, markdown(found).encode())
    write(folder / PICTURE, png(found.plot()))
    return found


def title(settings: ContinualSettings) -> str:
    """What the curves are of."""
    what = " then ".join(settings.tasks) or titled(settings.source)
    steps = "" if settings.tasks else f"{counted(settings.steps, 'step')}, "
    return f"{what}: {steps}{counted(settings.ipc, 'image')} of each class in memory"


def columns(found: Retention) -> tuple[str, ...]:
    """The head of the table."""
    return (f"{unit(found.settings)} seen", *found.settings.methods)


def lines(found: Retention) -> list[tuple[str, ...]]:
    """The table, a line a step; then the published numbers, which are of the last step."""
    steps = list(zip(*found.curves.values(), strict=True))
    rows = [(_seen(points), *map(str, points)) for points in steps]
    if found.published:
        theirs = [str(found.published[label]) if label in found.published else "-" for label in found.settings.methods]
        rows.append((f"{_seen(steps[-1])}, published", *theirs))
    return rows


def notes(found: Retention) -> list[str]:
    """What must be said below the table."""
    settings, how = found.settings, found.settings.evaluation
    over = "on the test images of all classes seen so far"
    if settings.tasks:
        over = "as the mean over the data sets seen so far; each is condensed once for each order, and the sequence is always this"
    said = [
        f"Test accuracy in percent {over}: mean and deviation (of the population) over {counted(settings.orders, 'order')} x "
        f"{counted(how.networks, 'network')}. After each step, new networks are trained from scratch on the memory alone, "
        f"{counted(how.recipe.epochs, 'epoch')}; test images decided nothing."
    ]
    if settings.memory == "shared":
        said.append("All orders share the memory of a method that makes each class by itself: the deviation is not that of memories.")
    for label, curve in found.curves.items():
        missing = settings.orders - len(curve[-1].values)
        said += [f"{label}: {missing} of {counted(settings.orders, 'order')} not done."] if missing and not curve[-1].failed else []
    used = dict.fromkeys(number.source for number in found.published.values())
    said += [f"Published{'?' if one == UNVERIFIED else ''}: {sources()[one]}." for one in used]
    said += [f"{label}: {', '.join(way)}." for label, way in found.differences.items() if way]
    failed = {name: reason for curve in found.curves.values() for point in curve for name, reason in point.failed.items()}
    return [*said, *(f"{name} failed: {reason}" for name, reason in failed.items())]


def markdown(found: Retention) -> str:
    """The table, the picture and the notes."""
    head = columns(found)
    table = markdown_table(head, lines(found))
    listed = "\n".join(f"- {line}" for line in notes(found))
    return f"# {title(found.settings)}\n\n{table}\n\n![{PICTURE}]({PICTURE})\n\n{listed}\n"


def as_json(found: Retention, folder: Path) -> dict[str, Any]:
    """The curves with everything that is known of them; more of each point is in the file of its own."""
    about = read_json(folder / SETTINGS)
    return {
        "settings": to_dict(found.settings),
        "methods": {label: to_dict(made.method) for label in found.curves if (made := _made(folder, label))},
        "curves": {label: [_point(point) for point in curve] for label, curve in found.curves.items()},
        "published": {label: to_dict(number) for label, number in found.published.items()},
        "differences": {label: list(way) for label, way in found.differences.items()},
        **{key: about.get(key) for key in ("data", "versions", "machine")},
    }


def _seen(points: Sequence[StepScore]) -> str:
    return next((str(point.seen) for point in points if point.seen), f"step {points[0].step + 1}")


def _point(point: StepScore) -> dict[str, Any]:
    known: dict[str, Any] = {"step": point.step + 1, "seen": point.seen, "orders": point.orders, "failed": dict(point.failed)}
    if point.values:
        known |= {"mean": round(point.mean, 3), "deviation": round(point.deviation, 3), "count": sum(map(len, point.values))}
    return {**known, "values": [list(of_order) for of_order in point.values]}


def _known(settings: ContinualSettings, folder: Path, label: str, step: int, failures: Mapping[str, Any]) -> StepScore:
    values: list[tuple[float, ...]] = []
    failed: dict[str, str] = {}
    seen: int | None = None
    for order in range(settings.orders):
        part = Part(label, order, step)
        if file_of(folder, part).exists():
            found = read_json(file_of(folder, part))
            values.append(tuple(found["values"]))
            seen = int(found["seen"])
            continue
        rests_on = [shared_name(label), part.name, *(one.memory for one in so_far(part))]
        failed |= {name: str(failures[name]["reason"]) for name in rests_on if name in failures}
    return StepScore(label, step, seen, tuple(values), settings.orders, failed)


def _made(folder: Path, label: str) -> RunSettings | None:
    """How the memories of ``label`` came about, with all settings; None while there is none."""
    for name in (Part(label, 0, 0).memory, shared_name(label)):
        path = folder / MEMORIES / name / RUN_SETTINGS
        if path.exists():
            return from_dict(RunSettings, read_json(path)["settings"])
    return None


def _differences(settings: ContinualSettings, folder: Path, label: str) -> tuple[str, ...]:
    """In what the memories of ``label``, and how they were judged, differ from what was published."""
    made = _made(folder, label)
    if made is None:
        return ()
    theirs = continual()
    orders = () if settings.orders == theirs.orders else (f"orders {settings.orders} (published: {theirs.orders})",)
    content = {"data": {"source": settings.source}, "method": str(settings.method_settings(label)["name"]), "ipc": settings.ipc}
    published = from_dict(RunSettings, content, preset_for("paper", content))
    column = published_columns().get(str(settings.method_settings(label)["name"]))
    unknown = column.unknown if column else ()
    judged = EvaluationSettings(theirs.networks, recipe=Recipe.paper(theirs.epochs))
    return (*orders, *differences(replace(made, evaluation=settings.evaluation), replace(published, evaluation=judged), unknown))
