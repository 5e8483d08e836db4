"""Accuracies of a run on a page, beside the published ones."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from condensation.config.build import from_dict
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.core.trust import from_file
from condensation.core.user_code import short_name
from condensation.evaluation.scores import Scores, SetScore
from condensation.methods.base import Method
from condensation.methods.registry import method_title
from condensation.report.page.charts import ACCURACY_SPAN, MEASURED, Mark, RowChart, Series
from condensation.report.page.parts import DataTable, Heatmap, Notes, Part, Section
from condensation.runs.settings import RunSettings
from condensation.studies.published_numbers import Number, columns, note, published, published_whole, source_notes
from condensation.studies.table.cells import differences
from condensation.studies.table.study import TableRow, TableSettings, published_run

ACCURACY = "test accuracy, %"
MOST_IN_MATRIX = 20  # classes of a matrix; of more, so many mistakes are listed
MOST_BARS = 40  # classes drawn; of more, the least and the most accurate


def accuracy_section(scores: Scores, settings: Mapping[str, Any], path: Path) -> Section:
    """Return table and charts of the ``scores`` of a run with plain ``settings``."""
    found = {name: column for name, score in scores.sets.items() if (column := column_beside(name, score, scores, settings))}
    data, ipc = _source(settings), settings.get("ipc")
    beside = {name: number for name, column in found.items() if (number := published(data, int(ipc or 0)).get(column))}
    whole = published_whole(data)
    names = ("trained on", "images", ACCURACY, "deviation", "networks", "published, %")
    rows = [
        (
            method_title(name),
            f"{score.images:,}",
            f"{score.mean:.1f}",
            deviation_text(score),
            str(score.count),
            str(beside.get(name, "-")),
        )
        for name, score in scores.sets.items()
    ]
    rows += [("whole training set", "-", "-", "-", "-", str(whole))] if whole else []
    lines = [how_evaluated(scores), *source_notes([*beside.values(), *([whole] if whole else [])])]
    lines += [text for name in beside if (text := _differing(name, found[name], settings, path))]
    lines += [note(data)] if beside and note(data) else []
    drawn = {name: number for name, number in beside.items() if not columns()[found[name]].unlike}
    chart = accuracy_chart({method_title(name): (score.mean, score.deviation, drawn.get(name)) for name, score in scores.sets.items()})
    return Section("Accuracy", [DataTable("Test accuracies", names, rows, ("trained on",)), Notes(lines), chart, *_per_class(scores)])


def deviation_text(score: SetScore) -> str:
    """Return the deviation over networks; a single network has none."""
    return f"{score.deviation:.1f}" if score.count > 1 else "-"


def how_evaluated(scores: Scores) -> str:
    """Return networks, epochs and test images of an evaluation."""
    count, network = scores.evaluation["networks"], short_name(str(scores.evaluation["network"]["name"]))
    over = f"one {network}" if count == 1 else f"mean and population deviation over {counted(count, network)}"
    tested = f"{counted(scores.test.images, 'test image')} of {scores.test.name}" if scores.test else "the test images of each row"
    return f"Test accuracy in percent on {tested}: {over}, trained for {counted(scores.evaluation['recipe']['epochs'], 'epoch')}."


def accuracy_chart(rows: Mapping[str, tuple[float, float, Number | None]], title: str = "Accuracy") -> RowChart:
    """Return the chart of mean, deviation and published number by name."""
    marks = {
        name: [Mark(mean, deviation), *([Mark(number.mean, number.deviation or 0.0, 1, True)] if number else [])]
        for name, (mean, deviation, number) in rows.items()
    }
    return RowChart(
        title, ACCURACY, list(marks.items()), MEASURED if any(len(each) > 1 for each in marks.values()) else (), least_span=ACCURACY_SPAN
    )


def column_beside(name: str, score: SetScore, scores: Scores, settings: Mapping[str, Any]) -> str | None:
    """Return the column of published numbers of the method of a set, evaluated with or without augmentation as here."""
    content = settings.get("method") if name != "random" else {"name": "random"}
    method = content if isinstance(content, Mapping) and content.get("name") == name else {}
    augmented = (score.recipe or scores.evaluation["recipe"]).get("augmentation") is not None
    if not isinstance(settings.get("ipc"), int):
        return None
    for key, column in columns().items():
        if column.method["name"] == method.get("name") and column.augmented == augmented:
            there = to_dict(from_dict(Method, dict(column.method)))  # type: ignore[type-abstract]
            if all(method.get(field, there[field]) == there[field] for field in column.method):
                return key
    return None


def _differing(name: str, column: str, settings: Mapping[str, Any], path: Path) -> str:
    """Return the settings that differ from those of the published number beside the set ``name``; empty for random images."""
    about = columns()[column]
    if name == "random" or about.note:
        return f"{method_title(name)}: {about.note}." if about.note else ""
    try:
        run = from_dict(RunSettings, from_file(dict(settings), path))
        data: dict[str, object] = {"source": run.data.source, "folder": run.data.folder}
        there = published_run(TableSettings((TableRow(name, name),), data=data), column, int(settings["ipc"]))
    except CondensationError:  # settings of another version, or of code of the user
        return ""
    networks = replace(there, evaluation=replace(there.evaluation, networks=run.evaluation.networks))
    differing = differences(run, networks, about.unknown)
    return f"{method_title(name)} differs from the published run: {', '.join(differing)}." if differing else ""


def _per_class(scores: Scores) -> list[Part]:
    """Return the accuracy of each class as bars of the first set with marks of the second, and as a table."""
    names = [name for name, score in scores.sets.items() if score.per_class][:2]
    if not names:
        return []
    first, others = scores.sets[names[0]].per_class, [scores.sets[name].per_class for name in names[1:]]
    classes = sorted(first, key=lambda each: first[each]) if len(first) > MOST_BARS else list(first)
    half = MOST_BARS // 2
    drawn = [*classes[:half], *classes[-half:]] if len(classes) > MOST_BARS else classes
    title = (
        f"Accuracy of each class, {method_title(names[0])}"
        if drawn == classes
        else f"The {half} least and the {half} most accurate classes, {method_title(names[0])}"
    )
    rows = [(each, [Mark(first[each]), *(Mark(other[each], color=1, hollow=True) for other in others if each in other)]) for each in drawn]
    legend = [Series(method_title(names[0]), ()), *(Series(method_title(name), (), color=1, hollow=True) for name in names[1:])]
    return [RowChart(title, ACCURACY, rows, legend if others else (), bars=True)]


def class_table(scores: Scores) -> Section:
    """Return the accuracies of all sets by class, to be sorted."""
    classes = list(dict.fromkeys(each for score in scores.sets.values() for each in score.per_class))
    rows = [
        (each, *(f"{score.per_class[each]:.1f}" if each in score.per_class else "-" for score in scores.sets.values())) for each in classes
    ]
    table = DataTable("Test accuracy of each class, %", ("class", *map(method_title, scores.sets)), rows, ("class",))
    return Section("Accuracy of each class", [table], folded=True)


def confusion_section(scores: Scores) -> list[Section]:
    """Return what networks trained on the first set took each class for: a matrix, or the most frequent mistakes of many classes."""
    name, score = next(iter(scores.sets.items()), ("", None))
    if score is None or not score.confusion:
        return []
    title, classes = (
        f"Test images by class (rows) and prediction (columns), networks trained on {method_title(name)}",
        list(score.confusion),
    )
    predictions = list(dict.fromkeys([*classes, *(each for row in score.confusion.values() for each in row)]))
    if len(predictions) <= MOST_IN_MATRIX:
        counts = [[score.confusion.get(each, {}).get(other, 0) for other in predictions] for each in predictions]
        return [Section("Confusion", [Heatmap(title, predictions, counts)])]
    wrong = [(count, each, other) for each, row in score.confusion.items() for other, count in row.items() if each != other]
    rows = [
        (each, other, f"{count:,}", f"{100 * count / sum(score.confusion[each].values()):.0f}")
        for count, each, other in sorted(wrong, key=lambda pair: -pair[0])[:MOST_IN_MATRIX]
    ]
    columns = ("class", "taken for", "test images", "% of those listed")
    return [
        Section("Confusion", [DataTable(f"Most frequent mistakes of networks trained on {method_title(name)}", columns, rows, columns[:2])])
    ]


def _source(settings: Mapping[str, Any]) -> str:
    data = settings.get("data")
    return str(data.get("source", "")) if isinstance(data, Mapping) else ""
