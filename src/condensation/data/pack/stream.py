"""Packing of image files class by class, so that memory holds one class at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from condensation.core.errors import CondensationError
from condensation.core.image_files import Block, ImageFiles
from condensation.core.stored_images import StoredImages
from condensation.core.text import joined
from condensation.data.assemble import assemble
from condensation.data.dataset import Data, FileSummary, MixedSizes, RawData, RawSplit, ReadOptions
from condensation.data.decode.decode import DecodedImage
from condensation.data.decode.parallel import (
    DeepImages,
    PendingData,
    PendingImage,
    PendingImages,
    decode_in_parallel,
    deep_note,
    offset_progress,
    read_split,
    require_memory_by_class,
)
from condensation.data.match_classes import match_classes
from condensation.data.own_output import OWN
from condensation.data.pack.writer import PackedLine, PackWriter
from condensation.data.pixel_range import DEEPEST, fitting_range
from condensation.data.split import about_held_out, held_out

Classes = dict[str, dict[int, int]]  # per part: label in the packed data of each label in the source


def stream(writer: PackWriter, name: str, folder: Path, found: PendingData, options: ReadOptions) -> Data:
    """Add all classes that ``writer`` lacks, and return the data that `load` would return, whose images stay in ``folder``."""
    parts = {"train": found.train} | ({"test": found.test} if found.test else {})
    placed = _placeholder(found.test) if found.test else None
    train, test, left_out = match_classes(_placeholder(found.train), placed, drop_empty=options.drop_empty)
    matched = {"train": train} | ({"test": test} if test else {})
    classes = {part: dict(zip(list(parts[part].labels), matched[part].labels.tolist(), strict=True)) for part in parts}
    names, total = train.class_names or (), sum(split.count for split in parts.values())
    try:
        for part, split in parts.items():
            _add_part(writer, part, split, classes[part], names, total, not test, options)
    finally:
        writer.flush()  # after an error or Ctrl-C, too
    bad = next((line.skipped[0] for line in writer.lines if line.skipped), None)
    if bad and not options.skip_bad:  # they were skipped before the work was interrupted
        raise bad.error()
    deep = _fit_range(writer, found, classes, options)
    return _data(writer, name, folder, found, names, joined(found.note, deep, left_out), options)


def add_all(writer: PackWriter, data: Data) -> None:
    """Add the images of ``data``, which are in memory, class by class."""
    for part, images in (("train", data.train), ("test", data.test)):
        for label, first in images.starts.items():
            if not writer.has(part, label):
                writer.add(part, label, images.images[first : first + images.counts[label]].numpy())
    writer.flush()


def _add_part(
    writer: PackWriter,
    part: str,
    split: PendingImages,
    classes: dict[int, int],
    names: Sequence[str],
    total: int,
    hold_out: bool,
    options: ReadOptions,
) -> None:
    """Add the classes of a part that ``writer`` lacks. Threads decode the next classes while one is written."""
    counts, places = Counter(split.labels), _places_of(split)
    finished = {label: count for label, count in counts.items() if writer.has(part, classes[label])}
    if options.shape and len(finished) < len(counts):
        require_memory_by_class(split, max(counts.values()), (1, *options.shape))
    done = (total - split.count if part == "test" else 0) + sum(finished.values())
    if options.on_progress:
        options.on_progress(done, total)
    missing = (item for item in _by_class(split) if item.label not in finished)
    with closing(decode_in_parallel(missing, options)) as decoded:
        for label, images in groupby(decoded, key=lambda pair: pair[0].label):
            wanted = replace(split, items=(), count=counts[label], origin=f"{split.origin}, class {names[classes[label]]!r}")
            progress = offset_progress(options, done, total)
            _add_class(writer, part, classes[label], names, lambda: read_split(wanted, progress, images), places, hold_out)  # noqa: B023
            writer.require_room(total)
            done += counts[label]


def _placeholder(split: PendingImages) -> RawSplit:
    """Return a split with the labels of ``split`` and images that take no memory."""
    images = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(split.count, -1, -1, -1)
    return RawSplit(images, torch.as_tensor(split.labels), split.class_names, split.origin)


def _by_class(split: PendingImages) -> Iterable[PendingImage]:
    """Return the images class by class; a list is sorted, and other iterables have one class after the other."""
    return sorted(split.items, key=lambda item: item.label) if isinstance(split.items, Sequence) else split.items


def _places_of(split: PendingImages) -> dict[str, int]:
    """Return the places of the images in a list by their names; nothing if they are class by class."""
    return {item.name: place for place, item in enumerate(split.items)} if isinstance(split.items, Sequence) else {}


def _add_class(
    writer: PackWriter,
    part: str,
    label: int,
    names: Sequence[str],
    decoded: Callable[[], tuple[RawSplit, FileSummary, DeepImages]],
    places: dict[str, int],
    hold_out: bool,
) -> None:
    """Add the images of a class, which are read here, so that memory holds one class at a time."""
    read, files, deep = decoded()
    first = writer.lines[0] if writer.lines else None
    if first and tuple(read.images.shape[2:]) != first.shape[1:]:
        (first_height, first_width), (height, width) = first.shape[1:], read.images.shape[2:]
        message = f"The images differ in size: {(first.names or ())[0]} has {first_width} x {first_height} pixels"
        hint = "Set a common size, such as size=64; `condense data show` lists the sizes."
        raise MixedSizes(f"{message}, {(read.names or ())[0]} has {width} x {height}.", hint=hint, setting="data.size")
    count, order = len(read.images), np.arange(len(read.images))
    test = np.sort(held_out(label, count, names[label]).numpy()) if hold_out else order[:0]
    order = np.concatenate([np.setdiff1d(order, test), test])
    image_names = [(read.names or ())[index] for index in order]
    writer.add(
        part,
        label,
        read.images.numpy()[order],
        held_out=len(test),
        names=tuple(image_names),
        places=tuple(places[name] for name in image_names) if places else None,
        deep=tuple(np.flatnonzero(np.isin(order, list(deep.items))).tolist()),
        peak=deep.peak,
        sizes=tuple((*shape, number) for shape, number in files.sizes.items()),
        modes=dict(files.modes),
        skipped=files.skipped,
        own=files.ignored.get(OWN, 0),
    )


def _fit_range(writer: PackWriter, found: PendingData, classes: Classes, options: ReadOptions) -> str:
    """Scale all images of more than 8 bits from the range of their largest value, and return a sentence about it."""
    lines = {(line.part, line.label): line for line in writer.lines if line.deep}
    if not lines:
        return ""
    pixel_range = fitting_range(max(line.peak for line in lines.values()))
    if pixel_range != DEEPEST:  # they were scaled from `DEEPEST`, so they are decoded again
        options = replace(options, pixel_range=pixel_range, on_progress=None)
        for part, split in (("train", found.train), ("test", found.test)):
            for label, items in groupby(_by_class(split) if split else (), key=lambda item: item.label):
                if line := lines.get((part, classes[part][label])):
                    indices = {(line.names or ())[index]: index for index in line.deep}
                    for item, image in decode_in_parallel([item for item in items if item.name in indices], options):
                        if not isinstance(image, DecodedImage):
                            raise CondensationError(f"{item.name} changed while the images were read.", hint="Try again.")
                        writer.overwrite(line, indices[item.name], image.pixels)
        writer.flush()
    return deep_note(sum(len(line.deep) for line in lines.values()), pixel_range)


def _data(writer: PackWriter, name: str, folder: Path, found: PendingData, names: Sequence[str], note: str, options: ReadOptions) -> Data:
    """Return the checked data of the complete files."""
    lines = sorted(writer.lines, key=lambda line: line.label)
    shape = (max(line.shape[0] for line in lines), *lines[0].shape[1:])
    train = [(line, 0, line.count - line.held_out) for line in lines if line.part == "train"]
    test = [(line, 0, line.count) for line in lines if line.part == "test"]
    held = [(line, line.count - line.held_out, line.held_out) for line in lines if line.held_out]
    details: dict[str, Any] = {}
    if not found.test:
        which = [(place, name) for line, first, _ in held for place, name in zip(*_places(line, first), strict=True)]
        ordered = [name for _, name in (which if lines[0].places is None else sorted(which))]
        held_note, details["split"] = about_held_out(len(ordered), sum(line.count for line in lines), ordered, found.train.origin)
        note = joined(note, held_note)
    files = FileSummary(ignored=dict(found.ignored))
    for line in lines:
        sizes = {(height, width): count for height, width, count in line.sizes}
        files += FileSummary(sizes, line.modes or {}, line.skipped, {OWN: line.own} if line.own else {})
    origins = (found.train.origin, found.test.origin if found.test else found.train.origin)
    splits = [
        RawSplit(*_stored(folder, part, shape), tuple(names), origin, _names(part))
        for part, origin in zip((train, test or held), origins, strict=True)
    ]
    data = assemble(name, RawData(splits[0], splits[1], note, files), "none", replace(options, drop_empty=False), None)
    return replace(data, details={**details, **data.details})


Part = list[tuple[PackedLine, int, int]]  # lines with the first image and the number of images of a part


def _stored(folder: Path, part: Part, shape: tuple[int, int, int]) -> tuple[StoredImages, torch.Tensor]:
    """Return the images of a part, and their labels."""
    blocks = [Block(str(folder / line.file), line.offset + first * line.image_bytes, count, line.shape[0]) for line, first, count in part]
    labels = torch.tensor([line.label for line, _, _ in part]).repeat_interleave(torch.tensor([count for _, _, count in part]))
    return StoredImages.of(ImageFiles(blocks, shape)), labels


def _names(part: Part) -> tuple[str, ...]:
    return tuple(name for line, first, count in part for name in (line.names or ())[first : first + count])


def _places(line: PackedLine, first: int) -> tuple[Sequence[int], Sequence[str]]:
    names = (line.names or ())[first:]
    return (line.places or range(line.count))[first:][: len(names)], names
