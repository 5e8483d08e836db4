"""Packing of a data set into a folder: class by class from image files, all at once from other formats."""

import hashlib
import logging
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.images import ImageSet
from condensation.core.lock import locked_folder
from condensation.core.progress import OnProgress
from condensation.core.regular_files import read_text
from condensation.core.storage import entries, parsed, require_free, write
from condensation.core.stored_images import in_blocks
from condensation.data.dataset import Data, ReadOptions
from condensation.data.fit_preprocessing import value_counts
from condensation.data.load import locate_files
from condensation.data.pack.index import (
    FORMAT,
    INDEX,
    UNFINISHED,
    Found,
    PackedClass,
    PackedPart,
    PackIndex,
    as_json,
    file_digest,
    read_index,
    reading_of,
    write_index,
)
from condensation.data.pack.stream import stream
from condensation.data.pack.writer import JOURNAL, PackedLine, PackWriter
from condensation.data.settings import DataSettings
from condensation.data.summary import UNREADABLE

logger = logging.getLogger(__name__)

FILE_BYTES = 2 * 10**9
LATER = ("preprocessing", "flip_invariant", "classes")  # settings of a start, not of a pack


def pack(
    settings: DataSettings,
    out: Path,
    file_bytes: int = FILE_BYTES,
    on_reading: OnProgress | None = None,
    on_checking: OnProgress | None = None,
) -> PackIndex:
    """Pack the images of ``settings`` into the folder ``out``, and return its index; a pack that was interrupted is continued.

    Folders and tables of image files are read class by class; other formats need memory for all images. A file holds whole classes, and
    more than ``file_bytes`` only for a class that is larger. ``on_reading`` counts images, ``on_checking`` classes of the finished files.
    Raise CondensationError if the images cannot be read or the folder holds something else.
    """
    for name in LATER:
        if getattr(settings, name) != getattr(DataSettings(), name):
            message = f"data.{name} is no part of a pack."
            raise CondensationError(message, hint="Set it for the commands that use the pack.", setting=f"data.{name}")
    names = [field.name for field in fields(ReadOptions) if field.name != "on_progress"]
    options = ReadOptions(**{name: getattr(settings, name) for name in names}, on_progress=on_reading)
    located = locate_files(settings.source, settings.folder)
    place, form = located[1:] if located else (None, None)
    if place and place.is_dir() and out.resolve().is_relative_to(place.resolve()):
        raise CondensationError(f"{out} is in the folder of the images.", hint="Choose another folder (out=...).", setting="out")
    if located and form and form.pending:
        read, listing, data = form.pending, form.pending(located[1], options).listing, None
    else:
        read, data = None, settings.load(on_reading)
        listing = [data.train.fingerprint(), data.test.fingerprint()]
    state = _state([str(place.resolve()) if place else settings.source, reading_of(options), file_bytes, *listing])
    try:
        with locked_folder(out):
            if (out / INDEX).exists() and _state_of(out / INDEX) == state:
                (out / UNFINISHED).unlink(missing_ok=True)
                return read_index(out)
            _begin(out, state)
            writer = PackWriter(out, file_bytes)
            if located and read:
                data = stream(writer, located[0], out, lambda: read(located[1], options), options)
            assert data is not None
            if not read:
                _add_all(writer, data)
            index = _index(out, data, writer.lines, reading_of(options), state, on_checking)
            write_index(out, index)
            (out / UNFINISHED).unlink()
    except OSError as error:
        raise NotWritten(out, error, "Finished classes are kept; the same command continues.") from error
    return index


def _state(content: list[object]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for value in (FORMAT, *content):
        digest.update(repr(value).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _state_of(path: Path) -> str | None:
    """Return the state of the source that the file of a pack has recorded; None if there is none."""
    with suppress(OSError, ValueError):
        content = parsed(read_text(path, largest=path.stat().st_size))
        return content.get("state") if isinstance(content, dict) else None
    return None


def _begin(out: Path, state: str) -> None:
    """Record what is packed into ``out``; remove a pack that was begun with other images or options."""
    begun = _state_of(out / UNFINISHED)
    if begun == state:
        return
    if begun is None and entries(out):
        require_free(out)
        raise CondensationError(f"{out} is not empty; nothing is overwritten.", hint="Choose another folder (out=...).", setting="out")
    if begun:
        logger.warning(f"The images or the options have changed since {out} was begun, so it is packed anew.")
        for path in (out / JOURNAL, *out.glob("images-*.bin")):
            path.unlink(missing_ok=True)
    write(out / UNFINISHED, as_json({"state": state}))


def _add_all(writer: PackWriter, data: Data) -> None:
    """Add the images of ``data``, which are in memory, class by class."""
    for part, images in (("train", data.train), ("test", data.test)):
        for label, first in images.starts.items():
            if not writer.has(part, label):
                writer.add(part, label, images.images[first : first + images.counts[label]].numpy())


def _index(
    out: Path, data: Data, lines: list[PackedLine], reading: dict[str, Any], state: str, on_checking: OnProgress | None
) -> PackIndex:
    """Return the index of the files, with the digests of all classes."""
    places = {(line.part, line.label): line for line in lines}
    total, parts = len(data.train.classes) + len(data.test.classes), []
    done = 0
    for part, images in (("train", data.train), ("test", data.test)):
        classes = []
        for label, count in images.counts.items():
            line = places.get((part, label)) or places["train", label]
            first = line.count - line.held_out if (part, label) not in places else 0
            digest, low, high = _about(images.select([label]))
            offset = line.offset + first * line.image_bytes
            classes.append(PackedClass(label, line.file, offset, count, line.shape[0], digest, low, high))
            done += 1
            if on_checking:
                on_checking(done, total)
        histogram = tuple(map(tuple, value_counts(images.images).tolist()))
        parts.append(PackedPart(images.fingerprint(), histogram, tuple(classes)))
    found = None
    if data.files:
        unreadable = {UNREADABLE: len(data.files.skipped)} if data.files.skipped else {}
        sizes = tuple((*size, count) for size, count in data.files.sizes.items())
        found = Found(sizes, dict(data.files.modes), {**data.files.ignored, **unreadable})
    files = {name: (out / name).stat().st_size for name in sorted({line.file for line in lines} | {JOURNAL})}
    return PackIndex(
        *(data.name, data.train.shape, data.train.class_names, files, parts[0], parts[1]),
        *(reading, data.note, dict(data.details), found, file_digest(out / JOURNAL), state),
    )


def _about(images: ImageSet) -> tuple[str, int, int]:
    """Return the fingerprint of a class, and its least and greatest value."""
    lows, highs = zip(*((int(block.min()), int(block.max())) for block in in_blocks(images.images)), strict=True)
    return images.fingerprint(), min(lows), max(highs)
