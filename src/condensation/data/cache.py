"""Cache of decoded images as packed data; it can be deleted at any time."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import PIL
import torch

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.images import ImageSet
from condensation.core.lock import lock_beside, locked_beside, remove_free
from condensation.core.memory import readable
from condensation.core.storage import remove, remove_unfinished, write
from condensation.core.stored_images import StoredImages
from condensation.data.assemble import assemble
from condensation.data.dataset import SKIP_BAD, NoImages, RawData, ReadOptions
from condensation.data.decode.parallel import PendingData
from condensation.data.pack.digests import index_of
from condensation.data.pack.index import INDEX, UNFINISHED, PackIndex, as_json, read_index, reading_of, write_index
from condensation.data.pack.read import data_of
from condensation.data.pack.stream import add_all, stream
from condensation.data.pack.writer import PackWriter, free_space

logger = logging.getLogger(__name__)

VARIABLE = "CONDENSATION_CACHE"
NONE = "none"
FORMAT = 4  # version of the cached files; other versions are decoded again


def cache_root() -> Path | None:
    """Return the folder of CONDENSATION_CACHE or the user's cache folder; None if the variable is ``none``."""
    named = os.environ.get(VARIABLE)
    if named == NONE:
        return None
    if named:
        return Path(os.path.expanduser(named))
    from platformdirs import user_cache_path

    return user_cache_path("condensation", appauthor=False)


def cache_folder() -> Path | None:
    """Return the folder of decoded images in `cache_root`; None without a cache."""
    root = cache_root()
    return root / "images" if root else None


def read_cached(
    source: tuple[str, Path | str],
    listing: Iterable[object],
    options: ReadOptions,
    read: Callable[[], RawData],
    pending: PendingData | None = None,
) -> RawData:
    """Return the images of ``source`` from the cache, which is filled first if they are new; without a cache, those of ``read``.

    What is cached are the checked images of both parts, as `condensation.data.pack` writes them. A start reads their index, and all images
    only if they are few; then it compares their digests.

    Args:
        source: Reader and location. The cache keeps one state per source, size, fit, columns and parts.
        listing: Values that identify the state, for example names, sizes and times of all files.
        options: Reading options. ``skip_bad`` is not part of the key: skipped images are cached as skipped.
        read: Function that reads all images at once.
        pending: The same images, to be read class by class. Its note and what it ignored are not cached.
    """
    folder = cache_folder()
    if folder is None:
        return read()
    reader, place = source
    place = place.resolve() if isinstance(place, Path) else place
    reading = (options.shape, options.fit, options.columns, options.fold, *options.named_parts)
    left_out = ["drop_empty"] if options.drop_empty else []
    source_key = _digest([reader, os.fsencode(place), *reading, options.black_and_white, options.max_pixels, *left_out])
    state = _digest(chain([FORMAT, PIL.__version__, torch.__version__.partition("+")[0]], listing))
    entry = folder / f"{source_key}-{state}"
    raw = _load(entry)
    if raw is not None:
        with suppress(OSError):
            (entry / UNFINISHED).unlink()  # of a process that was killed at its end
        remove_free(lock_beside(folder / source_key))
    else:
        with _locked(folder / source_key):
            raw = _load(entry) or _fill(entry, source_key, options, read, pending)  # another process may have filled it
    remove_unfinished(folder, f"{source_key}-*")
    if raw.files and raw.files.skipped and not options.skip_bad:
        raise raw.files.skipped[0].error()
    return raw


def _digest(content: Iterable[object]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for value in content:
        digest.update(repr(value).encode("utf-8", "surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()


def _locked(path: Path) -> ExitStack:
    """Return the lock of one source, which waits for another process that decodes it; an empty one if the cache cannot be written."""
    stack = ExitStack()
    with suppress(OSError):
        stack.enter_context(locked_beside(path, wait=True))
    return stack


def _fill(entry: Path, source_key: str, options: ReadOptions, read: Callable[[], RawData], pending: PendingData | None) -> RawData:
    """Write the images to ``entry`` and return them; continue what a killed process began, and remove older states of the source."""
    raw: RawData | None = None
    try:
        for older in entry.parent.glob(f"{source_key}-*"):
            if older != entry or not (entry / UNFINISHED).exists():
                remove(older)
        writer, data = _begin(entry), None
        named, origins = True, (pending.train.origin, (pending.test or pending.train).origin) if pending else ("", "")
        with suppress(NoImages):  # of a class, which may be left out once all others are read
            if pending:
                data = stream(writer, "", entry, replace(pending, note="", ignored={}), options)
        if data is None:
            raw = read()
            named, origins = raw.train.class_names is not None, (raw.train.origin, (raw.test or raw.train).origin)
            data = assemble("", raw, "none", options, None)
            remove(entry)
            writer = _begin(entry)
            size = sum(images.images.numel() for images in (data.train, data.test))
            if size > free_space(entry):
                raise OSError(f"it needs {readable(size)}, and {readable(free_space(entry))} are free")
            add_all(writer, data)
        index = index_of(entry, data, writer.lines, reading_of(options), entry.name)
        numbered = not named and index.class_names == tuple(map(str, range(len(index.class_names))))
        index = replace(index, name="", origins=origins, named=not numbered)
        write_index(entry, index)
        (entry / UNFINISHED).unlink()
    except (OSError, NotWritten) as problem:
        remove(entry)
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
        logger.warning(
            f"Could not cache the decoded images in {entry.parent}: {reason}. "
            f"They will be decoded again next time. Set {VARIABLE} to another folder, or to {NONE} for no cache."
        )
        return raw or read()
    except CondensationError as error:
        if error.setting != SKIP_BAD:  # else finished classes are kept, since the user may skip that image
            remove(entry)
        raise
    return _opened(entry, index)


def _begin(entry: Path) -> PackWriter:
    """Return the writer of new or unfinished packed data at ``entry``."""
    entry.mkdir(parents=True, exist_ok=True)
    write(entry / UNFINISHED, as_json({"state": entry.name}))
    return PackWriter(entry)


def _load(entry: Path) -> RawData | None:
    """Return the cached data at ``entry``; None if they are missing, unfinished or damaged."""
    if not (entry / INDEX).is_file():
        return None
    try:
        index = read_index(entry)
        raw = _opened(entry, index)
        _check(entry, index, raw)
    except CondensationError as problem:
        logger.warning(f"{entry} is damaged ({str(problem).splitlines()[0]}); decoding the images again.")
        remove(entry)
        return None
    return raw


def _opened(entry: Path, index: PackIndex) -> RawData:
    raw = data_of(entry, index)
    for split in (raw.train, raw.test):
        if split and isinstance(split.images, StoredImages):
            split.images.files.open()  # so that they can be read when another process removes them, since the source has changed
    return raw


def _check(entry: Path, index: PackIndex, raw: RawData) -> None:
    """Compare the images that were read with their digests. Raise CondensationError if they differ; those in files are checked later."""
    for split, part in zip((raw.train, raw.test), index.parts.values(), strict=True):
        if split and not isinstance(split.images, StoredImages):
            images = ImageSet.of(split.images, split.labels, index.class_names)
            if images.fingerprint() != part.fingerprint:
                raise CondensationError(f"the digest of {entry / part.classes[0].file} does not match")
