"""Results for people, as tables, and for programs, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from condensation.core.text import accuracy_of, counted
from condensation.core.user_code import short_name


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in ``right`` are numbers."""
    made = Table(header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a page in Markdown."""
    return "\n".join("| " + " | ".join(map(in_markdown, row)) + " |" for row in [head, ("---",) * len(head), *rows])


def in_markdown(text: str) -> str:
    """``text`` as it may stand in a table."""
    return text.replace("|", "\\|")


def print_scores(screen: Console, scores: dict[str, Any]) -> None:
    """What `condensation.evaluation.compare.judge` gave; scores that a person put on a card themselves are printed as they are."""
    if not {"evaluation", "sets", "test"} <= set(scores):
        return screen.print(f"Scores: {json.dumps(scores, ensure_ascii=False)}", highlight=False, markup=False)
    how = scores["evaluation"]
    apart = scores["test"] is None  # each set has test images of its own
    rows = table(
        "trained on", "images", *(("tested on", "test images") if apart else ()), "test accuracy, %", right=("images", "test images")
    )
    for name, score in scores["sets"].items():
        on = (escape(score["test"]["name"]), f"{score['test']['images']:,}") if apart else ()
        rows.add_row(escape(name), f"{score['images']:,}", *on, accuracy_of(score))
    screen.print(rows)
    recipe, network = how["recipe"], short_name(str(how["network"]["name"]))
    epochs = counted(recipe["epochs"], "epoch")
    several = f"Mean and deviation over {counted(how['networks'], network)} of {epochs} each"
    over = f"By one {network} of {epochs}" if how["networks"] == 1 else several
    on_which = "the test images named" if apart else counted(scores["test"]["images"], "test image")
    return screen.print(f"{over}, on {on_which}.", highlight=False, markup=False)


def said_of_data(about: Mapping[str, Any], *, read: bool, most: int = 10) -> list[str]:
    """Lines on what a card says of its data: what was decided, skipped, and found in both parts.

    Whoever has just ``read`` the data was warned of images in both parts then, and is not told again.
    """
    lines = [str(about["note"])] if about.get("note") else []
    skipped = about.get("skipped")
    if skipped:
        count, shown = skipped["count"], skipped["images"][:most]
        lines.append(f"{count:,} {'image' if count == 1 else 'images'} could not be read and {'was' if count == 1 else 'were'} skipped:")
        lines += [f"  {one['name']} {one['why']}" for one in shown]
        lines += [f"  and {count - len(shown):,} more"] if count > len(shown) else []
    if about.get("in_both") and not read:
        are = "test image is a training image" if about["in_both"] == 1 else "test images are training images"
        lines.append(f"{about['in_both']:,} {are} too, pixel for pixel: test accuracies are too high.")
    return lines


def print_json(content: Any) -> None:
    """Nothing but JSON, on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False))
