"""Results as tables and as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from condensation.core.text import accuracy, counted, in_line, shown
from condensation.core.user_code import short_name
from condensation.evaluation.scores import Scores


class PlainConsole(Console):
    """Console that prints text as it is: no markup, no highlighting, no wrapping, and no effect of terminal codes in names."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(shown(each) if isinstance(each, str) else each for each in objects), **options)


class PlainTable(Table):
    """Table whose cells are single lines of text."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*(in_line(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def plain_console(*, stderr: bool = False) -> Console:
    """Return a `PlainConsole` for standard output or standard error."""
    return PlainConsole(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table; the columns in ``right`` are aligned to the right."""
    rows = PlainTable(header_style="bold", pad_edge=False)
    for column in columns:
        rows.add_column(in_line(column), justify="right" if column in right else "left", overflow="fold")
    return rows


def print_scores(screen: Console, content: Scores | Mapping[str, Any]) -> None:
    """Print scores as a table; anything else that the user put on a card is printed as JSON."""
    scores = content if isinstance(content, Scores) else Scores.from_card(content)
    if scores is None:
        return screen.print(f"Scores: {json.dumps(content, ensure_ascii=False)}")
    own_tests = ("tested on", "test images") if scores.test is None else ()
    rows = table("trained on", "images", *own_tests, "test accuracy, %", right=("images", "test images"))
    for name, score in scores.sets.items():
        test = (score.test.name, f"{score.test.images:,}") if own_tests and score.test else ()
        rows.add_row(name, f"{score.images:,}", *test, accuracy(score.mean, score.deviation, score.count))
    screen.print(rows)
    count, network = scores.evaluation["networks"], short_name(str(scores.evaluation["network"]["name"]))
    epochs = counted(scores.evaluation["recipe"]["epochs"], "epoch")
    over = f"One {network}" if count == 1 else f"Mean and standard deviation over {counted(count, network)}"
    tested = counted(scores.test.images, "test image") if scores.test else "the test images of each row"
    return screen.print(f"{over}, trained for {epochs}, on {tested}.")


def data_notes(card: Mapping[str, Any], *, read: bool, most: int = 10) -> list[str]:
    """Return lines about the ``data`` entry of a card; fewer if the data were just ``read``, since that is told while reading."""
    from condensation.data.summary import read_lines  # imports torch

    lines = read_lines(card["read"]) if not read and "read" in card else []
    lines += [str(card["note"])] if card.get("note") else []
    if skipped := card.get("skipped"):
        count, shown = skipped["count"], skipped["images"][:most]
        lines.append(f"{counted(count, 'image')} could not be read and {'was' if count == 1 else 'were'} skipped:")
        lines += [f"  {image['name']} {image['why']}" for image in shown]
        lines += [f"  and {count - len(shown):,} more"] if count > len(shown) else []
    if card.get("in_both") and not read:
        duplicates = "test image is also a training image" if card["in_both"] == 1 else "test images are also training images"
        lines.append(f"{card['in_both']:,} {duplicates}, pixel for pixel: test accuracies are too high.")
    return lines


def print_json(content: Any) -> None:
    """Print JSON on standard output, with escapes if its encoding lacks characters."""
    complete = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(shown(json.dumps(content, indent=2, ensure_ascii=not complete)))
