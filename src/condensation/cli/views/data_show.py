"""Printed form of ``condense data show``."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from condensation.cli.options import Output
from condensation.core.errors import NotWritten
from condensation.core.memory import readable
from condensation.core.stored_images import StoredImages
from condensation.data.dataset import Data, FileSummary, MixedSizes
from condensation.data.duplicates import find_repeated
from condensation.data.settings import DataSettings
from condensation.data.summary import UNREADABLE, read_facts, read_lines
from condensation.report.grid import grid, save_picture
from condensation.report.stopping import stoppable
from condensation.report.tables import data_notes, plain_console, print_json, table

PICTURE = Path("data.png")  # the default, without which the rest is still printed
SHOWN_SIZE = 64  # pixels per side at which images of several sizes are drawn
MOST_CLASSES = 40  # in the table; JSON has all


def show(settings: DataSettings, out: Path, rows: int, output: Output, skips: bool = False) -> None:
    """Run ``condense data show``: list images that cannot be read, and draw images of several sizes in one size.

    A run on the same images stops at those that cannot be read, unless it ``skips`` them.
    """
    mixed = False
    with stoppable(quiet=not output.talks) as shown:
        try:
            data = settings.load(shown.reading)
        except MixedSizes:
            data, mixed = replace(settings, size=SHOWN_SIZE).load(shown.reading), True
    about = {**facts(data, settings, mixed), "picture": str(out)}
    try:
        save_picture(out, grid({"training": data.train}, title=data.name, rows=rows))
    except NotWritten as error:
        if out != PICTURE:
            raise
        about |= {"picture": None, "no_picture": error.message}
    if output.as_json:
        return print_json(about)
    return None if output.quiet else _print_facts(plain_console(), about, skips)


def facts(data: Data, settings: DataSettings, mixed: bool) -> dict[str, Any]:
    """Return a summary of ``data`` for JSON; ``mixed``: the images differ in size and ``settings.size`` is None."""
    channels, height, width = data.train.shape
    size = (len(data.train) + len(data.test)) * channels * height * width
    names, in_files = data.train.class_names, isinstance(data.train.images, StoredImages)
    return {
        "name": data.name,
        "source": settings.source,
        "format": data.format,
        "images": {"train": len(data.train), "test": len(data.test)},
        "classes": {name: {"train": data.train.counts.get(n, 0), "test": data.test.counts.get(n, 0)} for n, name in enumerate(names)},
        "read": read_facts(data),
        "shape": list(data.train.shape),
        "needs_size": mixed,
        "found": _files(data.files) if data.files else None,
        "mirrored": data.train.flip_invariant,
        "memory": {"bytes": size, "text": readable(size), "while_reading": readable(2 * size), "in_files": in_files},
        "repeated": len(find_repeated(data.train.images)),
        "note": data.note,
        **data.details,
    }


def _files(files: FileSummary) -> dict[str, Any]:
    """Return sizes as smallest, median and largest, since there may be as many sizes as images."""
    sizes = np.repeat(np.array(list(files.sizes) or [(0, 0)]), list(files.sizes.values()) or [1], axis=0)
    height, width = np.quantile(sizes, (0, 0.5, 1), axis=0, method="lower").T.tolist()
    about = {"different": len(files.sizes), "height": height, "width": width}
    return {"sizes": about, "modes": dict(files.modes), "passed_over": dict(files.ignored)}


def _print_facts(screen: Console, about: Mapping[str, Any], skips: bool) -> None:
    classes = about["classes"]
    screen.print(f"{about['name']}: {about['format']}")
    rows = table("class", "training", "test", right=("training", "test"))
    for name, counts in list(classes.items())[:MOST_CLASSES]:
        rows.add_row(name, f"{counts['train']:,}", f"{counts['test']:,}")
    if len(classes) > MOST_CLASSES:
        rows.add_row(f"... and {len(classes) - MOST_CLASSES} more", "", "")
    screen.print(rows)
    screen.print("\n".join(_lines(about, skips)))


def _lines(about: Mapping[str, Any], skips: bool) -> list[str]:
    files, (*lines, read_as) = about["found"], read_lines(about["read"])
    if not skips:
        lines = [line.replace(UNREADABLE, "unreadable") for line in lines]
    if files and files["modes"]:
        sizes = files["sizes"]
        spans = [f"{side} {sizes[side][0]} to {sizes[side][2]}, median {sizes[side][1]}" for side in ("height", "width")]
        if sizes["different"] == 1:
            lines.append(f"Sizes: all {sizes['height'][0]} x {sizes['width'][0]} (height x width)")
        else:
            lines.append(f"Sizes: {sizes['different']:,} different; {'; '.join(spans)}")
        lines.append("Modes: " + ", ".join(f"{mode} {count:,}" for mode, count in files["modes"].items()))
    wanted = f"The images differ in size: a run needs --size; the picture shows them with --size {SHOWN_SIZE}."
    lines.append(wanted if about["needs_size"] else read_as)
    memory = about["memory"]
    lines.append(
        f"Size: {memory['text']}, read from files" if memory["in_files"] else f"Memory: {memory['text']}, twice that while reading"
    )
    notes = data_notes(about, read=True)
    lines += notes if skips else [re.sub(r" and (was|were) skipped:$", ":", line) for line in notes]
    if about["repeated"]:
        images = "training image equals an earlier one" if about["repeated"] == 1 else "training images equal earlier ones"
        lines.append(f"{about['repeated']:,} {images}, pixel for pixel.")
    if "skipped" in about and not skips:
        lines.append("A run stops at such an image, unless --skip-bad is given.")
    return [*lines, f"Picture: {about['picture'] or about['no_picture']}"]
