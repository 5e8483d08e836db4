"""A picture of a set that a person wants to look at: a column a class, real images above the synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from condensation.errors import CondensationError
from condensation.images import ImageSet

CLASSES_PER_BAND = 10
MOST_BANDS = 10
NARROWEST = 380  # so that the title of two small classes is not a column
LABEL = 78
INK, FAINT, PAPER = (28, 28, 32), (125, 125, 135), (255, 255, 255)


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels, and how many images are shown."""

    cell: tuple[int, int]  # width and height of an image on the page
    gap: int = 4
    margin: int = 18
    line: int = 24  # of the title
    heading: int = 26
    label: int = LABEL  # room for "synthetic" at the left


@dataclass(frozen=True, eq=False)
class Part:
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

    Several sets by name stand one below the other, class by class, each with its name at the left. Of more than 100 classes
    the first 100 are shown, and of many images a class the first; the picture says so.

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
    parts = [Part("real", real, real_rows)] if real is not None and real_rows else []
    parts += [Part(name, one, min(rows, max(one.counts.values()))) for name, one in sets.items()]
    longest = max(round(_font(13).getlength(name)) + 12 for name in sets)
    layout = Layout(cell=_cell(first.shape, rows, len(bands) * len(sets)), label=min(max(LABEL, longest), 2 * LABEL))
    notes = [title] if title else []
    if most > rows:
        notes.append(f"first {rows} of {most if least == most else f'{least:,} to {most:,}'} a class")
    if len(present) > len(classes):
        notes.append(f"first {len(classes)} of {len(present)} classes")
    return _page(parts, bands, first.class_names, " · ".join(notes), layout)


def _page(parts: Sequence[Part], bands: Sequence[Sequence[int]], names: Sequence[str], title: str, layout: Layout) -> Image.Image:
    """All ``parts`` below each other, band of classes by band."""
    across, down = (side + layout.gap for side in layout.cell)
    heights = [part.rows * down for part in parts]
    band_height = layout.heading + sum(heights) + 2 * layout.gap * (len(parts) - 1) + 14
    width = max(NARROWEST, 2 * layout.margin + layout.label + max(map(len, bands)) * across - layout.gap)
    lines = _lines(title, width - 2 * layout.margin, 17)
    title_height = len(lines) * layout.line + 10 if lines else 0
    page = Image.new("RGB", (width, 2 * layout.margin + title_height + len(bands) * band_height - 14), PAPER)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((layout.margin, layout.margin - 4 + number * layout.line), line, fill=INK, font=_font(17))
    for number, band in enumerate(bands):
        top = layout.margin + title_height + number * band_height
        left = layout.margin + layout.label
        for column, label in enumerate(band):
            _centred(draw, names[label], left + column * across, top, layout.cell[0])
        top += layout.heading
        for part, height in zip(parts, heights, strict=True):
            if part is not parts[0]:
                top += 2 * layout.gap
                draw.line((layout.margin, top - layout.gap - 3, width - layout.margin, top - layout.gap - 3), fill=(222, 222, 228))
            name = _cut(part.name, layout.label - 8, _font(13))
            draw.text((layout.margin, top + layout.cell[1] // 2 - 8), name, fill=FAINT, font=_font(13))
            _paste(page, part.images, band, part.rows, (left, top), layout)
            top += height
    return page


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


def _cell(shape: tuple[int, int, int], rows: int, bands: int) -> tuple[int, int]:
    """A whole multiple of the image's sides where that is not too large."""
    _, height, width = shape
    wanted = 96 if rows * bands <= 3 else 64
    scale = max(1, round(wanted / max(height, width)))
    return width * scale, height * scale


def _paste(page: Image.Image, images: ImageSet, band: Sequence[int], rows: int, corner: tuple[int, int], layout: Layout) -> None:
    across, down = (side + layout.gap for side in layout.cell)
    for column, label in enumerate(band):
        if label not in images.counts:
            continue
        first = images.starts[label]
        chosen = images.take(torch.arange(first, first + min(rows, images.counts[label]), device=images.device))
        for row, picture in enumerate(chosen.pictures().cpu().numpy()):
            page.paste(_picture(picture, layout.cell), (corner[0] + column * across, corner[1] + row * down))


def _picture(values: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    """One image (c, h, w) in [0, 1], enlarged without blurring."""
    pixels = np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    return image.resize(cell, Image.Resampling.NEAREST)


def _centred(draw: ImageDraw.ImageDraw, text: str, left: int, top: int, width: int) -> None:
    size = next((size for size in (13, 12, 11) if _font(size).getlength(text) <= width + 2), 10)
    font = _font(size)
    text = _cut(text, width + 2, font)
    draw.text((left + (width - font.getlength(text)) / 2, top + 6), text, fill=INK, font=font)


def _lines(text: str, width: int, size: int) -> list[str]:
    """``text`` broken between words into lines no wider than ``width``."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_cut(word, width, _font(size)))
    return lines


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """As much of ``text`` as ``width`` has room for."""
    shown = text
    while len(text) > 1 and font.getlength(shown) > width:
        text = text[:-1].rstrip()
        shown = f"{text}…"
    return shown


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow's own font has no accents; matplotlib brings one that has, and Greek and Cyrillic besides.
    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        path = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.exists():
            return ImageFont.truetype(str(path), size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
