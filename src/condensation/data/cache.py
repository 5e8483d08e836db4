"""Cache of decoded images; it can be deleted at any time."""

import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import PIL
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from condensation.core.lock import lock_beside, locked_beside, remove_free
from condensation.core.memory import readable
from condensation.core.records import as_record
from condensation.core.storage import atomic_file, parsed, remove_unfinished
from condensation.data.dataset import FileSummary, RawData, RawSplit, ReadOptions, SkippedImage

logger = logging.getLogger(__name__)

VARIABLE = "CONDENSATION_CACHE"
NONE = "none"
FORMAT = 3  # version of the cached files; other versions are decoded again
CARD = "card"  # a tensor, since the header of a file holds at most 100 MB, less than a million long names
DAMAGE = (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class _Part:
    class_names: tuple[str, ...] | None
    origin: str
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class _Files:
    sizes: tuple[tuple[int, int, int], ...]
    modes: dict[str, int]
    skipped: tuple[SkippedImage, ...]
    ignored: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Card:
    """Record of a cached source beside its tensors."""

    parts: dict[str, _Part]
    note: str = ""
    found: _Files | None = None


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


def read_cached(source: tuple[str, Path | str], listing: Iterable[object], options: ReadOptions, read: Callable[[], RawData]) -> RawData:
    """Return the result of ``read``, from the cache if possible.

    Args:
        source: Reader and location. The cache keeps one state per source, size, fit, columns and parts.
        listing: Values that identify the state, for example names, sizes and times of all files.
        options: Reading options. ``skip_bad`` is not part of the key: skipped images are cached as skipped.
        read: Function called if the source is not cached, or the cache is damaged.
    """
    folder = cache_folder()
    if folder is None:
        return read()
    reader, place = source
    place = place.resolve() if isinstance(place, Path) else place
    reading = (options.shape, options.fit, options.columns, options.fold)
    source_key = _digest([reader, os.fsencode(place), *reading, *options.named_parts, options.black_and_white, options.max_pixels])
    path = folder / f"{source_key}-{_digest([FORMAT, PIL.__version__, torch.__version__.partition('+')[0], *listing])}.safetensors"
    raw, damaged = _load(path), path.is_file()
    if raw is not None:
        remove_free(lock_beside(folder / source_key))
    else:
        with _locked(folder / source_key):
            raw = None if damaged else _load(path)  # another process may have decoded the images in the meantime
            if raw is None:
                raw = read()
                _store(path, raw, source_key)
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


def _store(path: Path, raw: RawData, source_key: str) -> None:
    """Write ``raw`` if there is room, and remove older states of the same source."""
    tensors, card = _pack(raw)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    tensors[CARD] = torch.frombuffer(bytearray(json.dumps(card).encode()), dtype=torch.uint8)
    metadata = {"format": str(FORMAT), "sum": _checksum(tensors)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if size > free_space(path.parent):
            raise OSError("not enough free space")
        with atomic_file(path, in_folder=True) as unfinished:  # safetensors writes a temporary file of its own
            save_file(tensors, unfinished, metadata)
    except (OSError, SafetensorError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
        logger.warning(
            f"Could not cache the decoded images ({readable(size)}) in {path.parent}: {reason}. "
            f"They will be decoded again next time. Set {VARIABLE} to another folder, or to {NONE} for no cache."
        )
        return
    for older in path.parent.glob(f"{source_key}-*.safetensors"):
        if older != path:
            older.unlink(missing_ok=True)


def free_space(folder: Path) -> int:
    """Return the free bytes of the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def _load(path: Path) -> RawData | None:
    """Return the cached data at ``path``, or None if the file is missing or damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if metadata["sum"] != _checksum(tensors):
            raise ValueError("the checksum does not match")
        return _unpack(tensors, parsed(tensors[CARD].numpy().tobytes().decode()))
    except DAMAGE as problem:
        logger.warning(f"{path} is damaged ({str(problem).splitlines()[0]}); decoding the images again.")
        return None


def _pack(raw: RawData) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    card: dict[str, Any] = {"note": raw.note, "parts": {}}
    for key, split in (("train", raw.train), ("test", raw.test)):
        if split is not None:
            tensors |= {f"{key}.images": split.images.contiguous(), f"{key}.labels": split.labels.contiguous()}
            card["parts"][key] = {"class_names": split.class_names, "origin": split.origin, "names": split.names}
    if raw.files:
        sizes = [[*shape, count] for shape, count in raw.files.sizes.items()]
        skipped = [asdict(image) for image in raw.files.skipped]
        card["found"] = {"sizes": sizes, "modes": raw.files.modes, "skipped": skipped, "ignored": raw.files.ignored}
    return tensors, card


def _unpack(tensors: dict[str, Tensor], content: Any) -> RawData:
    card = as_record(content, _Card, "its card")
    splits = {}
    for key, part in card.parts.items():
        splits[key] = RawSplit(tensors[f"{key}.images"], tensors[f"{key}.labels"], part.class_names, part.origin, part.names)
    files = None
    if card.found:
        sizes = {(height, width): count for height, width, count in card.found.sizes}
        files = FileSummary(sizes, card.found.modes, card.found.skipped, card.found.ignored)
    return RawData(splits["train"], splits.get("test"), card.note, files)


def _checksum(tensors: dict[str, Tensor]) -> str:
    """Return a CRC of all bytes, to detect damage."""
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
