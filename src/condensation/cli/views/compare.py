"""Printed form of ``condense compare``, and of accuracies per class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from condensation.core.text import accuracy
from condensation.evaluation.scores import SetScore
from condensation.report.tables import plain_console, print_json, table
from condensation.runs.stored_scores import ComparedScore, StoredScore, compared

NO_INTERVAL = "A single network has no interval."
ONE_SET = "Intervals cover the chance of training networks, not that of condensing: each score is of one set."


def compare(paths: Sequence[Path], *, every: bool, per_class: bool, as_json: bool) -> None:
    """Run ``condense compare``."""
    found = compared(paths, every)
    if as_json:
        return print_json([_as_json(row) for row in found])
    screen = plain_console()
    labels = {id(row.stored): _label(row.stored, every or len(found) > len(paths)) for row in found}
    rows = table("set", "images", "test accuracy, %", "difference", "95 % interval", right=("images", "difference"))
    for row in found:
        score, difference = row.stored.score, row.difference
        interval = "not comparable" if row.measured_differently else ""
        if difference and difference.interval:
            interval = f"{difference.interval[0]:+.1f} to {difference.interval[1]:+.1f}"
        measured, value = accuracy(score.mean, score.deviation, score.count), f"{difference.value:+.1f}" if difference else ""
        rows.add_row(labels[id(row.stored)], f"{score.images:,}", measured, value, interval)
    screen.print(rows)
    for row in found:
        if row.measured_differently:
            screen.print(f"{labels[id(row.stored)]} was measured differently: {row.measured_differently}.")
    differences = [row.difference for row in found if row.difference]
    if any(difference.interval is None for difference in differences):
        screen.print(NO_INTERVAL)
    if any(difference.interval and len(row.stored.score.values) == 1 for row in found if (difference := row.difference)):
        screen.print(ONE_SET)
    if per_class:
        print_per_class(screen, {labels[id(row.stored)]: row.stored.score for row in found})
    return None


def print_per_class(screen: Console, scores: Mapping[str, SetScore]) -> None:
    """Print the accuracy of each class, and the class for which its images are most often taken."""
    columns = [name for label, score in scores.items() for name in (label, *(["taken for"] if score.confusion else []))]
    rows = table("class", *columns, right=tuple(scores))
    for name in dict.fromkeys(name for score in scores.values() for name in score.per_class):
        cells = []
        for score in scores.values():
            cells.append(f"{score.per_class[name]:.1f}" if name in score.per_class else "")
            cells += [most_confused(score, name)] if score.confusion else []
        rows.add_row(name, *cells)
    screen.print(rows)


def most_confused(score: SetScore, name: str) -> str:
    """Return the wrong class for which images of the class ``name`` are most often taken, with their share: ``cat 12 %``."""
    counts = (score.confusion or {}).get(name, {})
    wrong = {other: count for other, count in counts.items() if other != name}
    if not wrong:
        return ""
    other = max(wrong, key=lambda each: wrong[each])
    share = 100 * wrong[other] / sum(counts.values())
    return f"{other} {share:.0f} %" if sum(counts.values()) else ""


def _label(stored: StoredScore, several: bool) -> str:
    return f"{stored.path}: {stored.name}" if several else str(stored.path)


def _as_json(row: ComparedScore) -> dict[str, Any]:
    score, difference = row.stored.score, row.difference
    content: dict[str, Any] = {"path": str(row.stored.path), "set": row.stored.name, "mean": score.mean, "deviation": score.deviation}
    content |= {"count": score.count, "per_class": score.per_class}
    if score.confusion is not None:
        content["confusion"] = score.confusion
    if difference:
        interval = difference.interval and [round(end, 3) for end in difference.interval]
        content |= {"difference": round(difference.value, 3), "interval": interval}
    return content | ({"measured_differently": row.measured_differently} if row.measured_differently else {})
