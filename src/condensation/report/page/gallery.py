"""Pictures of sets as data URIs, within a number of bytes."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from PIL import Image

from condensation.core.images import ImageSet
from condensation.core.text import counted
from condensation.report.page.parts import Part

SHOWN = 64  # pixels of the longer side of a picture on the page, about
PER_PAGE = 20  # classes shown at once
MOST = (10, 5, 5, 3)  # images per class and set of one set, of two, and so on
MOST_REAL = 5  # real images per class
MARKUP = 60  # bytes of a picture besides its content
SAMPLE = 16  # pictures whose size is measured to estimate that of all
REAL = "real"


class Quality(NamedTuple):
    """Fineness of the pictures."""

    rows: int  # images per class, at most
    side: int  # pixels of the longer side, at most
    colors: int | None = None  # colors of a picture; None for all


# From the best; the first that fits is taken.
QUALITIES = (
    *(Quality(rows, 96) for rows in (10, 5, 3)),
    *(Quality(rows, 48) for rows in (3, 1)),
    *(Quality(1, side, 32) for side in (32, 24, 16)),
)


class Strip(NamedTuple):
    """Pictures of one class in one set."""

    label: str  # name of the set
    pictures: Sequence[str]  # data URIs
    alt: str  # what they show


class ClassPictures(NamedTuple):
    """Pictures of one class."""

    name: str
    note: str  # for example its accuracy
    strips: Sequence[Strip]


@dataclass(frozen=True)
class Gallery(Part):
    """Pictures of sets, class by class."""

    template: ClassVar[str] = "gallery"

    classes: Sequence[ClassPictures]
    width: int  # of a picture on the page, in pixels
    height: int
    notes: Sequence[str] = ()  # what is left out
    per_page: ClassVar[int] = PER_PAGE

    @property
    def narrow(self) -> bool:
        """True if all pictures of a class fit into half the width of a telephone."""
        return all(sum(len(strip.pictures) for strip in each.strips) <= 2 for each in self.classes)

    @property
    def pages(self) -> list[str]:
        """Names of the pages of classes; empty if all fit on one."""
        count = len(self.classes)
        begins = range(0, count, PER_PAGE) if count > PER_PAGE else ()
        return [f"Classes {begin + 1:,} to {min(begin + PER_PAGE, count):,}" for begin in begins]


def gallery(sets: Mapping[str, ImageSet], real: ImageSet | None, room: int, notes: Mapping[str, str] | None = None) -> Gallery:
    """Return pictures of ``sets`` by name, below those of ``real`` images, whose text has at most ``room`` characters.

    All sets have the same classes and shape. ``notes`` are texts by the name of a class.
    """
    sets = {name: images.viewable() for name, images in sets.items()}
    shown = {**({REAL: real} if real is not None else {}), **sets}
    first = next(iter(sets.values()))
    labels = sorted(set().union(*(images.classes for images in sets.values())))
    most = min(MOST[min(len(sets), len(MOST)) - 1], max(count for images in sets.values() for count in images.counts.values()))
    quality, classes = _fitting(shown, labels, most, room)
    rows = min(quality.rows, most)
    lines = {
        f"The first {rows} of {counted(most, 'image')} per class.": most > rows,
        f"The first {len(classes)} of {len(labels):,} classes.": len(labels) > len(classes),
        f"Reduced to {quality.side} pixels for this page.": max(first.shape[1:]) > quality.side,
        f"Reduced to {quality.colors} colors for this page.": bool(quality.colors),
    }
    pictures = [
        ClassPictures(name, (notes or {}).get(name, ""), [_strip(each, images, label, rows, quality) for each, images in shown.items()])
        for label in classes
        if (name := first.class_names[label]) is not None
    ]
    _, height, width = first.shape
    scale = max(1, round(SHOWN / max(height, width))) if max(height, width) <= SHOWN else SHOWN * 1.5 / max(height, width)
    return Gallery(pictures, round(width * scale), round(height * scale), [line for line, applies in lines.items() if applies])


def _fitting(shown: Mapping[str, ImageSet], labels: Sequence[int], most: int, room: int) -> tuple[Quality, Sequence[int]]:
    """Return the best quality whose pictures fit into ``room``; with the poorest, only so many classes as fit."""
    images = list(shown.values())[-1]
    indices = range(0, len(images), -(-len(images) // SAMPLE))
    for quality in QUALITIES:
        if quality.rows > max(most, QUALITIES[2].rows) and quality.side == QUALITIES[0].side:
            continue
        sizes = [len(uri) + MARKUP for uri in _uris(images, torch.tensor(indices), quality)]
        of_class = 1.1 * len(shown) * min(quality.rows, most) * sum(sizes) / len(sizes)
        if of_class * len(labels) <= room:
            return quality, labels
    return quality, labels[: max(1, int(room / of_class))]


def _strip(name: str, images: ImageSet, label: int, rows: int, quality: Quality) -> Strip:
    count = min(rows, MOST_REAL if name == REAL else rows, images.counts.get(label, 0))
    first = images.starts[label] if count else 0
    kind = "real image" if name == REAL else "synthetic image"
    pictures = _uris(images, torch.arange(first, first + count), quality) if count else []
    return Strip(name, pictures, f"{counted(count, kind)} of {images.class_names[label]}")


def _uris(images: ImageSet, indices: torch.Tensor, quality: Quality) -> list[str]:
    arrays = (images.take(indices.to(images.device)).pictures().cpu().numpy() * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    return [png_uri(Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array), quality) for array in arrays]


def png_uri(picture: Image.Image, quality: Quality) -> str:
    """Return a picture as a data URI."""
    if max(picture.size) > quality.side:
        picture.thumbnail((quality.side, quality.side), Image.Resampling.LANCZOS)
    if quality.colors and picture.mode == "RGB":
        picture = picture.quantize(quality.colors)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=9)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
