"""A picture of a set that a person wants to look at: a column a class, real images above the synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from condensation.images import ImageSet

CLASSES_PER_BAND = 10
MOST_BANDS = 10
INK, FAINT, PAPER = (28, 28, 32), (125, 125, 135), (255, 255, 255)


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels, and how many images are shown."""

    cell: int  # side of an image on the page
    gap: int = 4
    margin: int = 18
    title: int = 34
    heading: int = 26
    label: int = 78  # room for "synthetic" at the left


def grid(synthetic: ImageSet, real: ImageSet | None = None, *, title: str = "", rows: int | None = None, real_rows: int = 2) -> Image.Image:
    """The images of ``synthetic``, ``rows`` of each class, below ``real_rows`` of ``real``; every pixel stays a crisp square.

    Of more than 100 classes the first 100 are shown, and of many images a class the first; the picture says so.
    """
    classes = synthetic.classes[: CLASSES_PER_BAND * MOST_BANDS]
    bands = [classes[i : i + CLASSES_PER_BAND] for i in range(0, len(classes), CLASSES_PER_BAND)]
    most = max(synthetic.counts.values())
    rows = min(most, rows or (10 if len(bands) <= 2 else 3))
    shown_real = real if real is not None and real_rows else None
    if shown_real is not None and rows == 1:
        real_rows = 1
    layout = Layout(cell=_cell(synthetic.shape, rows, len(bands)))
    step = layout.cell + layout.gap
    above = real_rows * step + layout.gap * 2 if shown_real is not None else 0
    band_height = layout.heading + above + rows * step + 14
    columns = max(map(len, bands))
    width = 2 * layout.margin + layout.label + columns * step
    page = Image.new("RGB", (width, 2 * layout.margin + layout.title + len(bands) * band_height), PAPER)
    draw = ImageDraw.Draw(page)
    notes = [title] if title else []
    if most > rows:
        notes.append(f"first {rows} of {most} images a class")
    if len(synthetic.classes) > len(classes):
        notes.append(f"first {len(classes)} of {len(synthetic.classes)} classes")
    draw.text(
        (layout.margin, layout.margin - 4), " · ".join(notes), fill=INK, font=_fitting(" · ".join(notes), width - 2 * layout.margin, 17)
    )
    for number, band in enumerate(bands):
        top = layout.margin + layout.title + number * band_height
        left = layout.margin + layout.label
        for column, label in enumerate(band):
            _centred(draw, synthetic.class_names[label], left + column * step, top, layout.cell)
        top += layout.heading
        if shown_real is not None:
            draw.text((layout.margin, top + layout.cell // 2 - 7), "real", fill=FAINT, font=_font(13))
            _paste(page, shown_real, band, real_rows, (left, top), layout)
            top += above
            draw.line((layout.margin, top - layout.gap - 3, width - layout.margin, top - layout.gap - 3), fill=(222, 222, 228))
        draw.text((layout.margin, top + layout.cell // 2 - 7), "synthetic", fill=FAINT, font=_font(13))
        _paste(page, synthetic, band, rows, (left, top), layout)
    return page


def _cell(shape: tuple[int, int, int], rows: int, bands: int) -> int:
    """A side that is a whole multiple of the image's where that is not too large."""
    side = max(shape[1:])
    wanted = 96 if rows * bands <= 3 else 64
    return side * max(1, round(wanted / side))


def _paste(page: Image.Image, images: ImageSet, band: tuple[int, ...], rows: int, corner: tuple[int, int], layout: Layout) -> None:
    step = layout.cell + layout.gap
    for column, label in enumerate(band):
        if label not in images.counts:
            continue
        first = images.starts[label]
        chosen = images.take(torch.arange(first, first + min(rows, images.counts[label]), device=images.device))
        for row, picture in enumerate(chosen.pictures().cpu().numpy()):
            page.paste(_picture(picture, layout.cell), (corner[0] + column * step, corner[1] + row * step))


def _picture(values: np.ndarray, cell: int) -> Image.Image:
    """One image (c, h, w) in [0, 1], enlarged without blurring."""
    pixels = np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    scale = cell / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.NEAREST)


def _centred(draw: ImageDraw.ImageDraw, text: str, left: int, top: int, width: int) -> None:
    font = _fitting(text, width + 4, 13)
    while len(text) > 4 and font.getlength(text) > width + 4:
        text = text.rstrip("…")[:-1].rstrip() + "…"
    draw.text((left + (width - font.getlength(text)) / 2, top + 6), text, fill=INK, font=font)


def _fitting(text: str, width: int, size: int) -> ImageFont.FreeTypeFont:
    """The largest font up to ``size`` in which ``text`` is no wider than ``width``."""
    while size > 10 and _font(size).getlength(text) > width:
        size -= 1
    return _font(size)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
