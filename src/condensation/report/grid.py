"""Picture of a set: one column per class, real images above the synthetic ones."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.storage import write
from condensation.data.own_output import picture_mark
from condensation.report.text_layout import UNKNOWN, common_size, draw_text, drawable, in_lines, in_phrases, length, widest_word

CLASSES_PER_BAND = 10
MOST_BANDS = 10
NARROWEST = 300  # minimum width of a page, so that titles have long lines
CAPTION = 78  # minimum width of the captions at the left
GAP, MARGIN = 4, 18
TITLE_LINE, HEADING = 24, 26  # height of a line of the title, and of class names of one line
TITLE, TEXT = 17, 13  # font sizes
NAMES = (13, 12, 11, 10)  # font sizes of class names; the first in which all names of a band fit
NAME_WIDTH = 64  # width of a column for its name, if the images are narrower
NAME_LINE = 14
INK, FAINT, PAPER = (28, 28, 32), (125, 125, 135), (255, 255, 255)


@dataclass(frozen=True)
class GridLayout:
    """Sizes in pixels."""

    cell: tuple[int, int]  # width and height of an image
    column: int  # width; an image is centred in it
    caption: int  # width of the captions at the left

    @property
    def step(self) -> tuple[int, int]:
        """Horizontal and vertical distance of neighbouring images."""
        return self.column + GAP, self.cell[1] + GAP


class GridPart(NamedTuple):
    """Rows of images with one caption at the left."""

    caption: str
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
    """Draw ``rows`` images per class of ``synthetic`` below ``real_rows`` of ``real``; each pixel becomes a sharp square.

    Several sets by name are drawn below each other. ``rows`` of None draws at most 10 images per class, or 3 for many classes. At most 100
    classes are drawn, and the first images of each; notes below the title tell what is left out. Raise CondensationError if sets differ in
    classes or in image shape.

    >>> from condensation import Random, condense, grid, load
    >>> train = load("digits").train
    >>> grid(condense(Random(), train, ipc=1), train, title="one per class").mode
    'RGB'
    """
    sets = {"synthetic": synthetic} if isinstance(synthetic, ImageSet) else dict(synthetic)
    sets = {name: images.viewable() for name, images in sets.items()}
    first = _check_alike(sets)
    present = sorted(set().union(*(images.classes for images in sets.values())))
    classes = present[: CLASSES_PER_BAND * MOST_BANDS]
    bands = [classes[i : i + CLASSES_PER_BAND] for i in range(0, len(classes), CLASSES_PER_BAND)]
    counts = [count for images in sets.values() for count in images.counts.values()]
    least, most = min(counts), max(counts)
    rows = min(most, rows or (10 if len(bands) <= 2 else 3))
    if rows == 1:
        real_rows = 1
    parts = [GridPart("real", real, real_rows)] if real is not None and real_rows else []
    parts += [GridPart(name, images, min(rows, max(images.counts.values()))) for name, images in sets.items()]
    names = {label: _drawable_name(first.class_names[label], label) for label in classes}
    longest = max(round(length(drawable(name), TEXT)) + 12 for name in sets)
    _, height, width = first.shape
    side = 96 if rows * len(bands) * len(sets) <= 3 or len(bands[0]) <= 3 else 64  # larger if there are few images
    scale = max(1, round(side / max(height, width)))
    cell = width * scale, height * scale
    column = max(cell[0], min(NAME_WIDTH, round(widest_word(list(names.values()), NAMES[0]))))
    layout = GridLayout(cell, column, min(max(CAPTION, longest), 2 * CAPTION))
    unknown = any(UNKNOWN in drawable(text) for text in (title, *sets, *(first.class_names[label] for label in classes)))
    notes = {
        f"first {rows} of {most if least == most else f'{least:,} to {most:,}'} per class": most > rows,
        f"first {len(classes)} of {len(present)} classes": len(present) > len(classes),
        f"{UNKNOWN}: a character that no installed font has": unknown,
    }
    note = " · ".join(text for text, applies in notes.items() if applies)
    # The note follows a single title line, or has its own line below several.
    titles = [drawable(line) for line in title.splitlines()]
    lines = [" · ".join(filter(None, (*titles, note)))] if len(titles) < 2 else [*titles, *filter(None, [note])]
    return _page(parts, bands, names, lines, layout)


def save_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture in the image format of the suffix of ``path``, atomically."""
    try:
        content = _encoded(picture, Image.registered_extensions().get(path.suffix.lower(), ""))
    except (KeyError, OSError, ValueError):
        hint = "Choose a name that ends in .png, such as out=grid.png."
        raise CondensationError(f"Cannot write a picture as {path}.", hint=hint) from None
    write(path, content)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, optimize=True, exif=picture_mark())
    return buffer.getvalue()


def _drawable_name(name: str, label: int) -> str:
    """Return the name of a class as it can be drawn, or its label if no character can."""
    text = drawable(name)
    return text if set(text) - {UNKNOWN, " "} or UNKNOWN not in text else f"class {label}"


def _page(
    parts: Sequence[GridPart], bands: Sequence[Sequence[int]], names: Mapping[int, str], title: list[str], layout: GridLayout
) -> Image.Image:
    """Return the page: bands of classes, in each all ``parts`` below each other."""
    heights = [part.rows * layout.step[1] for part in parts]
    headings = [_heading([names[label] for label in band], layout) for band in bands]
    extra = [NAME_LINE * (max(map(len, lines)) - 1) for _, lines in headings]
    band_height = HEADING + sum(heights) + 2 * GAP * (len(parts) - 1) + 14
    width = max(NARROWEST, 2 * MARGIN + layout.caption + max(map(len, bands)) * layout.step[0] - GAP)
    lines = [line for text in title for line in in_phrases(text, width - 2 * MARGIN, TITLE)]
    title_height = len(lines) * TITLE_LINE + 10 if lines else 0
    page = Image.new("RGB", (width, 2 * MARGIN + title_height + len(bands) * band_height + sum(extra) - 14), PAPER)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw_text(draw, (MARGIN, MARGIN - 4 + number * TITLE_LINE), line, TITLE, INK)
    top = MARGIN + title_height
    for band, heading, more in zip(bands, headings, extra, strict=True):
        left = MARGIN + layout.caption
        _draw_heading(draw, heading, (left, top), layout)
        top += HEADING + more
        for part, height in zip(parts, heights, strict=True):
            if part is not parts[0]:
                top += 2 * GAP
                draw.line((MARGIN, top - GAP - 3, width - MARGIN, top - GAP - 3), fill=(222, 222, 228))
            for number, line in enumerate(in_lines(drawable(part.caption), layout.caption - 8, TEXT, most=2)):
                draw_text(draw, (MARGIN, top + layout.cell[1] // 2 - 8 + number * NAME_LINE), line, TEXT, FAINT)
            _paste(page, part.images, band, part.rows, (left, top), layout)
            top += height
        top += 14
    return page


def _heading(names: Sequence[str], layout: GridLayout) -> tuple[int, list[list[str]]]:
    """Return a common font size for ``names``, and the lines of each."""
    width = layout.column + 2
    size = common_size(names, width, NAMES, most=2)
    return size, [in_lines(name, width, size, most=2) or [""] for name in names]


def _draw_heading(draw: ImageDraw.ImageDraw, heading: tuple[int, list[list[str]]], corner: tuple[int, int], layout: GridLayout) -> None:
    """Draw names centred above their columns, aligned at the bottom."""
    (size, names), (left, top) = heading, corner
    most = max(map(len, names))
    for column, lines in enumerate(names):
        middle = left + column * layout.step[0] + layout.column / 2
        for number, line in enumerate(lines, most - len(lines)):
            draw_text(draw, (middle - length(line, size) / 2, top + 6 + number * NAME_LINE), line, size, INK)


def _check_alike(sets: Mapping[str, ImageSet]) -> ImageSet:
    """Return the first of ``sets``, which must all have the same classes and image shape."""
    (name, first), *others = sets.items()
    for other_name, other in others:
        if other.class_names != first.class_names:
            raise CondensationError(f"Expected sets with the same classes; those of {name} and {other_name} differ.")
        if other.shape != first.shape:
            shapes = ["x".join(map(str, images.shape)) for images in (first, other)]
            raise CondensationError(f"Expected images of one shape, got {shapes[0]} in {name} and {shapes[1]} in {other_name}.")
    return first


def _paste(page: Image.Image, images: ImageSet, band: Sequence[int], rows: int, corner: tuple[int, int], layout: GridLayout) -> None:
    """Draw the first images of each class, enlarged without interpolation."""
    left = corner[0] + (layout.column - layout.cell[0]) // 2
    for column, label in enumerate(band):
        if label not in images.counts:
            continue
        first = images.starts[label]
        chosen = images.take(torch.arange(first, first + min(rows, images.counts[label]), device=images.device))
        for row, values in enumerate(chosen.pictures().cpu().numpy()):
            pixels = np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0)
            picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
            at = left + column * layout.step[0], corner[1] + row * layout.step[1]
            page.paste(picture.resize(layout.cell, Image.Resampling.NEAREST), at)
