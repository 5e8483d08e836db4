"""HTML of results in notebooks: a small picture and a table, with all text escaped and nothing fetched from anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np
import torch.nn.functional as F  # noqa: N812  (the usual name)
from PIL import Image

from condensation.core.text import extremes, in_line, listed

Images = Any  # an `ImageSet`, whose module imports this one
CLASSES, ROWS, SIDE = 10, 5, 48  # most classes and images per class in a picture, and most pixels per side of an image
MOST = 30  # classes in a table
GAP, ENLARGED = 1, 2  # pixels between images, and screen pixels per pixel


def in_html(text: object) -> str:
    """Return ``text`` for HTML, in which nothing acts as a tag or on a terminal."""
    return escape(in_line(str(text)))


def table_html(title: str, rows: Iterable[tuple[object, object]], picture: str = "") -> str:
    """Return a title, a picture and a table of names and values; rows without a value are left out."""
    cells = "".join(
        f'<tr><th scope="row" style="text-align: left">{in_html(name)}</th><td style="text-align: left">{in_html(value)}</td></tr>'
        for name, value in rows
        if str(value)
    )
    return f"<div><p><strong>{in_html(title)}</strong></p>{picture}<table>{cells}</table></div>"


def image_set_html(images: Images) -> str:
    """Return the first images of a set and facts about it."""
    return table_html(repr(images), facts_of(images), picture_html(images))


def facts_of(images: Images) -> list[tuple[str, object]]:
    """Return names and values for a table about a set."""
    return [
        ("images", f"{len(images):,} of {'x'.join(map(str, images.shape))}"),
        ("images per class", " to ".join(f"{count:,}" for count in extremes(images.counts.values()))),
        ("images seen by a network", f"{images.seen:,}" if images.form else ""),
        ("classes", listed([images.class_names[label] for label in images.classes], CLASSES)),
        ("preprocessing", type(images.preprocessing).__name__.lower()),
        ("soft labels", images.soft_labels.loss if images.soft_labels else ""),
    ]


def accuracies_html(title: str, class_means: Mapping[str, float]) -> str:
    """Return the accuracy of each of at most `MOST` classes."""
    rows = [(name, f"{value:.1f}") for name, value in list(class_means.items())[:MOST]]
    others = f"{len(class_means) - MOST:,} more classes" if len(class_means) > MOST else ""
    return table_html(title, [*rows, ("", others)])


def picture_html(images: Images) -> str:
    """Return the first images of the first classes, one column per class, as an ``img`` that holds its data."""
    images = images.viewable()
    channels, height, width = images.shape
    if channels not in (1, 3):
        return ""
    scale, classes = min(1.0, SIDE / max(height, width)), images.classes[:CLASSES]
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    rows = min(ROWS, max(images.counts[label] for label in classes))
    sheet = np.full((rows * (height + GAP), len(classes) * (width + GAP), channels), 255, np.uint8)
    for column, label in enumerate(classes):
        first = images.starts[label]
        pictures = images.pictures(slice(first, first + min(rows, images.counts[label]))).float().cpu()
        resized = pictures if scale == 1 else F.interpolate(pictures, (height, width), mode="area")
        for row, picture in enumerate((255 * resized).round().byte().permute(0, 2, 3, 1).numpy()):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
    buffer = io.BytesIO()
    Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    names = in_html(listed([images.class_names[label] for label in classes], CLASSES))
    size = f'width="{ENLARGED * sheet.shape[1]}" height="{ENLARGED * sheet.shape[0]}"'
    style = "image-rendering: pixelated; max-width: 100%; height: auto"
    return f'<img alt="One column of images per class: {names}" {size} style="{style}" src="data:image/png;base64,{data}">'
