"""What was decoded before, kept so that the next start need not decode it again; safe to delete at any time."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import PIL
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from condensation.core.atomic import whole
from condensation.core.memory import readable
from condensation.data.dataset import Found, Part, Parts, ReadOptions, Skipped

logger = logging.getLogger(__name__)

VARIABLE = "CONDENSATION_CACHE"
NONE = "none"
FORMAT = 1  # of what is kept; other formats are not read but made again
DAMAGES = (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError)


def cache_folder() -> Path | None:
    """Where decoded images are kept: what CONDENSATION_CACHE names, or the user's cache folder; None if that is ``none``."""
    named = os.environ.get(VARIABLE)
    if named == NONE:
        return None
    if named:
        return Path(named).expanduser() / "images"
    from platformdirs import user_cache_path

    return user_cache_path("condensation", appauthor=False) / "images"


def cached(source: tuple[str, Path | str], listing: Iterable[object], how: ReadOptions, read: Callable[[], Parts]) -> Parts:
    """What ``read`` gives, from the cache if it is there.

    Args:
        source: A kind of reader and what it reads: of each source, read in one way, the cache keeps one state.
        listing: What tells that state from any other, such as the names, sizes and times of all files.
        how: How it is read. Whether bad images are skipped changes no key: they are kept as skipped.
        read: Reads it where the cache has nothing, or something damaged.
    """
    folder = cache_folder()
    if folder is None:
        return read()
    kind, place = source
    place = place.resolve() if isinstance(place, Path) else place
    where = _digest([kind, os.fsencode(place), how.shape, how.fit, how.columns])
    path = folder / f"{where}-{_digest([FORMAT, PIL.__version__, torch.__version__.partition('+')[0], *listing])}.safetensors"
    kept = _kept(path)
    if kept is None:
        kept = read()
        _keep(path, kept, where)
    if kept.found and kept.found.skipped and not how.skip_bad:
        raise kept.found.skipped[0].error()
    return kept


def _digest(content: Iterable[object]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for one in content:
        digest.update(repr(one).encode("utf-8", "surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()


def _keep(path: Path, parts: Parts, where: str) -> None:
    """Keep ``parts`` if there is room; of the same source, nothing older stays."""
    tensors, card = _packed(parts)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    metadata = {"format": str(FORMAT), "card": json.dumps(card), "sum": _sum(tensors)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if size > free_space(path.parent):
            raise OSError("there is no room")
        with whole(path) as unfinished:
            save_file(tensors, unfinished, metadata)
    except (OSError, SafetensorError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
        logger.warning(
            f"The decoded images ({readable(size)}) could not be kept in {path.parent}: {reason}. "
            f"The next start decodes them again; {VARIABLE} can name another folder, or be {NONE}."
        )
        return
    for older in path.parent.glob(f"{where}-*.safetensors"):
        if older != path:
            older.unlink(missing_ok=True)


def free_space(folder: Path) -> int:
    """How many bytes can be written in ``folder``."""
    return shutil.disk_usage(folder).free


def _kept(path: Path) -> Parts | None:
    """What is kept at ``path``; None if there is nothing, or it is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if metadata["sum"] != _sum(tensors):
            raise ValueError("some bytes are not what was written")
        return _unpacked(tensors, json.loads(metadata["card"]))
    except DAMAGES as problem:
        logger.info(f"{path} is damaged and made again: {problem}.")
        return None


def _packed(parts: Parts) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    card: dict[str, Any] = {"note": parts.note, "parts": {}}
    for key, part in (("train", parts.train), ("test", parts.test)):
        if part is not None:
            tensors |= {f"{key}.images": part.images.contiguous(), f"{key}.labels": part.labels.contiguous()}
            card["parts"][key] = {"class_names": part.class_names, "origin": part.origin, "names": part.names}
    if parts.found:
        sizes = [[*shape, count] for shape, count in parts.found.sizes.items()]
        card["found"] = {"sizes": sizes, "modes": parts.found.modes, "skipped": [asdict(one) for one in parts.found.skipped]}
    return tensors, card


def _unpacked(tensors: dict[str, Tensor], card: dict[str, Any]) -> Parts:
    parts = {}
    for key, about in card["parts"].items():
        class_names, names = (None if about[name] is None else tuple(about[name]) for name in ("class_names", "names"))
        parts[key] = Part(tensors[f"{key}.images"], tensors[f"{key}.labels"], class_names, about["origin"], names)
    found = None
    if "found" in card:
        about = card["found"]
        sizes = {(height, width): count for height, width, count in about["sizes"]}
        found = Found(sizes, about["modes"], tuple(Skipped(**one) for one in about["skipped"]))
    return Parts(parts["train"], parts.get("test"), card["note"], found)


def _sum(tensors: dict[str, Tensor]) -> str:
    """Of every byte, to notice damage: not against forgery, so a fast one will do."""
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
