"""A picture of a set that a person wants to look at: a column a class, real images above the synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.report.text_layout import UNKNOWN, common_size, draw_text, drawable, in_lines, in_phrases, length, widest_word

CLASSES_PER_BAND = 10
MOST_BANDS = 10
NARROWEST = 300  # so that the title of two small classes is not a column
LABEL = 78
TITLE, TEXT = 17, 13  # sizes of letters
NAMES = (13, 12, 11, 10)  # the first in which all names of a band have room
NAME_WIDTH = 64  # that a column takes for names where its images are narrower
NAME_LINE = 14
INK, FAINT, PAPER = (28, 28, 32), (125, 125, 135), (255, 255, 255)


@dataclass(frozen=True)
class GridLayout:
    """Sizes in pixels, and how many images are shown."""

    cell: tuple[int, int]  # width and height of an image on the page
    column: int  # width, of which an image takes the middle
    gap: int = 4
    margin: int = 18
    line: int = 24  # of the title
    heading: int = 26  # with names of one line
    label: int = LABEL  # room for "synthetic" at the left


@dataclass(frozen=True, eq=False)
class GridPart:
    """Images under one name at the left."""

    name: str
    images: ImageSet
    rows: int


def grid(
    synthetic: ImageSet | Mapping[str, ImageSet],
    real: ImageSet | None = None,
    *,
    title: str = "",
    rows: int | None = None,
    real_rows: int = 2,
) -> Image.Image:
    """The images of ``synthetic``, ``rows`` of each class, below ``real_rows`` of ``real``; every pixel stays a crisp square.

    Each line of ``title`` stands on a line of its own, broken after commas where there is no room. Several sets by name stand one
    below the other, class by class, each with its name at the left. Of more than 100 classes the first 100 are shown, and of many
    images a class the first; the picture says so, and of characters that no font here has as well.

    Raises:
        CondensationError: if several sets differ in classes or in image shape.
    """
    sets = {"synthetic": synthetic} if isinstance(synthetic, ImageSet) else dict(synthetic)
    first = _alike(sets)
    present = sorted(set().union(*(one.classes for one in sets.values())))
    classes = present[: CLASSES_PER_BAND * MOST_BANDS]
    bands = [classes[i : i + CLASSES_PER_BAND] for i in range(0, len(classes), CLASSES_PER_BAND)]
    counts = [count for one in sets.values() for count in one.counts.values()]
    least, most = min(counts), max(counts)
    rows = min(most, rows or (10 if len(bands) <= 2 else 3))
    if rows == 1:
        real_rows = 1
    parts = [GridPart("real", real, real_rows)] if real is not None and real_rows else []
    parts += [GridPart(name, one, min(rows, max(one.counts.values()))) for name, one in sets.items()]
    names = {label: _shown(first.class_names[label], label) for label in classes}
    longest = max(round(length(drawable(name), TEXT)) + 12 for name in sets)
    cell = _cell(first.shape, rows, len(bands) * len(sets), len(bands[0]))
    column = max(cell[0], min(NAME_WIDTH, round(widest_word(list(names.values()), NAMES[0]))))
    layout = GridLayout(cell, column, label=min(max(LABEL, longest), 2 * LABEL))
    notes = []
    if most > rows:
        notes.append(f"first {rows} of {most if least == most else f'{least:,} to {most:,}'} a class")
    if len(present) > len(classes):
        notes.append(f"first {len(classes)} of {len(present)} classes")
    titles = [drawable(line) for line in title.splitlines()]
    if any(UNKNOWN in drawable(text) for text in (title, *sets, *(first.class_names[label] for label in classes))):
        notes.append(f"{UNKNOWN}: a character that no font here has")
    return _page(parts, bands, names, _with_notes(titles, notes), layout)


def _shown(name: str, label: int) -> str:
    """The name of a class as it can be drawn; its number where nothing of it can be."""
    shown = drawable(name)
    return shown if set(shown) - {UNKNOWN, " "} or UNKNOWN not in shown else f"class {label}"


def _with_notes(titles: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Notes go on the title; below several titles they have a line of their own."""
    joined = " · ".join(notes)
    return [" · ".join(filter(None, (*titles, joined)))] if len(titles) < 2 else [*titles, *filter(None, [joined])]


def _page(
    parts: Sequence[GridPart], bands: Sequence[Sequence[int]], names: Mapping[int, str], title: list[str], layout: GridLayout
) -> Image.Image:
    """All ``parts`` below each other, band of classes by band."""
    down = layout.cell[1] + layout.gap
    heights = [part.rows * down for part in parts]
    headings = [_heading([names[label] for label in band], layout) for band in bands]
    extra = [NAME_LINE * (max(map(len, lines)) - 1) for _, lines in headings]
    band_height = layout.heading + sum(heights) + 2 * layout.gap * (len(parts) - 1) + 14
    width = max(NARROWEST, 2 * layout.margin + layout.label + max(map(len, bands)) * (layout.column + layout.gap) - layout.gap)
    lines = [line for text in title for line in in_phrases(text, width - 2 * layout.margin, TITLE)]
    title_height = len(lines) * layout.line + 10 if lines else 0
    page = Image.new("RGB", (width, 2 * layout.margin + title_height + len(bands) * band_height + sum(extra) - 14), PAPER)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw_text(draw, (layout.margin, layout.margin - 4 + number * layout.line), line, TITLE, INK)
    top = layout.margin + title_height
    for band, heading, more in zip(bands, headings, extra, strict=True):
        left = layout.margin + layout.label
        _draw_heading(draw, heading, (left, top), layout)
        top += layout.heading + more
        for part, height in zip(parts, heights, strict=True):
            if part is not parts[0]:
                top += 2 * layout.gap
                draw.line((layout.margin, top - layout.gap - 3, width - layout.margin, top - layout.gap - 3), fill=(222, 222, 228))
            for number, line in enumerate(in_lines(drawable(part.name), layout.label - 8, TEXT, most=2)):
                draw_text(draw, (layout.margin, top + layout.cell[1] // 2 - 8 + number * NAME_LINE), line, TEXT, FAINT)
            _paste(page, part.images, band, part.rows, (left, top), layout)
            top += height
        top += 14
    return page


def _heading(names: Sequence[str], layout: GridLayout) -> tuple[int, list[list[str]]]:
    """One size of letters for ``names``, and the one or two lines of each."""
    width = layout.column + 2
    size = common_size(names, width, NAMES, most=2)
    return size, [in_lines(name, width, size, most=2) or [""] for name in names]


def _draw_heading(draw: ImageDraw.ImageDraw, heading: tuple[int, list[list[str]]], corner: tuple[int, int], layout: GridLayout) -> None:
    """Names centred above their columns; those of one line stand as low as those of two end."""
    (size, names), (left, top) = heading, corner
    most = max(map(len, names))
    for column, lines in enumerate(names):
        middle = left + column * (layout.column + layout.gap) + layout.column / 2
        for number, line in enumerate(lines, most - len(lines)):
            draw_text(draw, (middle - length(line, size) / 2, top + 6 + number * NAME_LINE), line, size, INK)


def _alike(sets: Mapping[str, ImageSet]) -> ImageSet:
    """The first of ``sets``, which must have the same classes and shape as the others."""
    (name, first), *others = sets.items()
    for other_name, other in others:
        if other.class_names != first.class_names:
            raise CondensationError(f"{name} and {other_name} have different classes, so they cannot stand side by side.")
        if other.shape != first.shape:
            shapes = ["x".join(map(str, one.shape)) for one in (first, other)]
            raise CondensationError(f"{name} has images of {shapes[0]} and {other_name} of {shapes[1]}, so they cannot stand side by side.")
    return first


def _cell(shape: tuple[int, int, int], rows: int, bands: int, columns: int) -> tuple[int, int]:
    """A whole multiple of the image's sides where that is not too large; few images are larger than many."""
    _, height, width = shape
    wanted = 96 if rows * bands <= 3 or columns <= 3 else 64
    scale = max(1, round(wanted / max(height, width)))
    return width * scale, height * scale


def _paste(page: Image.Image, images: ImageSet, band: Sequence[int], rows: int, corner: tuple[int, int], layout: GridLayout) -> None:
    across, down = layout.column + layout.gap, layout.cell[1] + layout.gap
    left = corner[0] + (layout.column - layout.cell[0]) // 2
    for column, label in enumerate(band):
        if label not in images.counts:
            continue
        first = images.starts[label]
        chosen = images.take(torch.arange(first, first + min(rows, images.counts[label]), device=images.device))
        for row, picture in enumerate(chosen.pictures().cpu().numpy()):
            page.paste(_picture(picture, layout.cell), (left + column * across, corner[1] + row * down))


def _picture(values: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    """One image (c, h, w) in [0, 1], enlarged without blurring."""
    pixels = np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    return image.resize(cell, Image.Resampling.NEAREST)
