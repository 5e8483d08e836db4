"""What ``condense data show`` prints: what would be read, without condensing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from condensation.core.memory import readable
from condensation.core.progress import OnProgress
from condensation.core.storage import write
from condensation.data.dataset import Data, Found, MixedSizes
from condensation.data.settings import DataSettings
from condensation.methods.loop import Stopped
from condensation.report.files import encoded
from condensation.report.grid import grid
from condensation.report.progress import StopOnSignal, reporter
from condensation.report.tables import print_json, said_of_data, table

STOPPED = 130  # the exit code of a program that Ctrl-C ended
# A size in which images of several sizes are shown where none was asked for.
SHOWN_SIZE = 64
MOST_CLASSES = 40  # in the table; JSON has all


def show(settings: DataSettings, out: Path, rows: int, *, quiet: bool, as_json: bool) -> None:
    """``condense data show``: images that cannot be read are listed, and images of several sizes are shown in one."""
    errors = Console(stderr=True, soft_wrap=True)
    with StopOnSignal() as stop, reporter(errors, quiet or as_json) as shown:
        try:
            data, mixed = _read(settings, stop.after(shown.reading))
        except Stopped:
            raise SystemExit(STOPPED) from None
    about = facts(data, settings, mixed)
    picture = grid({"training": data.train}, title=data.name, rows=rows)
    write(out, encoded(picture, out))
    about["picture"] = str(out)
    if as_json:
        return print_json(about)
    return None if quiet else _say(Console(soft_wrap=True), about)


def facts(data: Data, settings: DataSettings, mixed: bool) -> dict[str, Any]:
    """What is known of ``data``, for JSON; ``mixed`` says that its images differ in size though no size is asked for."""
    channels, height, width = data.train.shape
    size = (len(data.train) + len(data.test)) * channels * height * width
    names = data.train.class_names
    return {
        "name": data.name,
        "source": settings.source,
        "format": data.format,
        "images": {"train": len(data.train), "test": len(data.test)},
        "classes": {name: {"train": data.train.counts.get(n, 0), "test": data.test.counts.get(n, 0)} for n, name in enumerate(names)},
        "shape": list(data.train.shape),
        "needs_size": mixed,
        "found": _found(data.found) if data.found else None,
        "mirrored": data.train.flip_invariant,
        "memory": {"bytes": size, "text": readable(size), "while_reading": readable(2 * size)},
        "note": data.note,
        **data.details,
    }


def _read(settings: DataSettings, on_progress: OnProgress) -> tuple[Data, bool]:
    try:
        return settings.load(on_progress), False
    except MixedSizes:
        return replace(settings, size=SHOWN_SIZE).load(on_progress), True


def _found(found: Found) -> dict[str, Any]:
    """Sizes as their smallest, median and largest, since there may be as many as images."""
    sizes = np.repeat(np.array(list(found.sizes) or [(0, 0)]), list(found.sizes.values()) or [1], axis=0)
    sides = {
        side: [int(np.quantile(values, at, method="lower")) for at in (0, 0.5, 1)]
        for side, values in zip(("height", "width"), sizes.T, strict=True)
    }
    return {"sizes": {"different": len(found.sizes), **sides}, "modes": dict(found.modes), "passed_over": dict(found.passed_over)}


def _say(screen: Console, about: Mapping[str, Any]) -> None:
    images, classes = about["images"], about["classes"]
    screen.print(f"[bold]{escape(about['name'])}[/]: {escape(about['format'])}")
    screen.print(f"{images['train']:,} training and {images['test']:,} test images of {len(classes)} classes", highlight=False)
    rows = table("class", "training", "test", right=("training", "test"))
    for name, counts in list(classes.items())[:MOST_CLASSES]:
        rows.add_row(escape(name), f"{counts['train']:,}", f"{counts['test']:,}")
    if len(classes) > MOST_CLASSES:
        rows.add_row(f"... and {len(classes) - MOST_CLASSES} more", "", "")
    screen.print(rows)
    for line in _lines(about):
        screen.print(line, highlight=False, markup=False)


def _lines(about: Mapping[str, Any]) -> list[str]:
    channels, height, width = about["shape"]
    kind = {1: "grey", 3: "in colour"}[channels]
    found, lines = about["found"], []
    if found and found["modes"]:
        sizes = found["sizes"]
        lows, middles, highs = zip(sizes["height"], sizes["width"], strict=True)
        if sizes["different"] == 1:
            lines.append(f"Sizes found: all {lows[0]} x {lows[1]} (height x width)")
        else:
            lines.append(
                f"Sizes found: {sizes['different']:,} different; height {lows[0]} to {highs[0]}, median {middles[0]}; "
                f"width {lows[1]} to {highs[1]}, median {middles[1]}"
            )
        lines.append("Kinds found: " + ", ".join(f"{mode} {count:,}" for mode, count in found["modes"].items()))
    if found and found["passed_over"]:
        lines.append("Files that are not read: " + ", ".join(f"{count:,} {why}" for why, count in found["passed_over"].items()))
    if about["needs_size"]:
        lines.append(f"The images differ in size: a run needs --size, such as --size {height}, in which they are shown.")
    else:
        lines.append(f"Read as: {height} x {width} (height x width), {kind}")
    lines.append(f"Memory: {about['memory']['text']}, twice that while reading")
    lines += said_of_data(about, read=True)
    if "skipped" in about:
        lines.append("A run stops at such an image, unless --skip-bad is given.")
    return [*lines, f"Picture: {about['picture']}"]
