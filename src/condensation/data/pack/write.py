"""Packing of a data set into a folder: class by class from image files, all at once from other formats."""

import hashlib
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from itertools import chain
from pathlib import Path

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.lock import locked_folder
from condensation.core.progress import OnProgress
from condensation.core.regular_files import read_text
from condensation.core.storage import entries, parsed, require_free, write
from condensation.data.assemble import warned
from condensation.data.dataset import ReadOptions
from condensation.data.load import locate_files
from condensation.data.pack.digests import index_of
from condensation.data.pack.index import (
    FORMAT,
    INDEX,
    UNFINISHED,
    PackIndex,
    as_json,
    read_index,
    reading_of,
    write_index,
)
from condensation.data.pack.stream import add_all, stream
from condensation.data.pack.writer import FILE_BYTES, JOURNAL, PackWriter
from condensation.data.settings import DataSettings

logger = logging.getLogger(__name__)

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
    found = form.pending(place, options) if place and form and form.pending else None
    data = None if found else settings.load(on_reading)
    listing = [data.train.fingerprint(), data.test.fingerprint()] if data else found.listing if found else ()
    state = _state(chain([str(place.resolve()) if place else settings.source, reading_of(options), file_bytes], listing))
    try:
        with locked_folder(out):
            if (out / INDEX).exists() and _state_of(out / INDEX) == state:
                (out / UNFINISHED).unlink(missing_ok=True)
                return read_index(out)
            _begin(out, state)
            writer = PackWriter(out, file_bytes)
            if located and found:
                data = warned(stream(writer, located[0], out, found, options))
            else:
                assert data
                add_all(writer, data)
            index = index_of(out, data, writer.lines, reading_of(options), state, on_checking)
            write_index(out, index)
            (out / UNFINISHED).unlink()
    except OSError as error:
        raise NotWritten(out, error, "Finished classes are kept; the same command continues.") from error
    return index


def _state(content: Iterable[object]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for value in chain([FORMAT], content):
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
