"""Index of packed data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from condensation.core.errors import NEWER, CondensationError
from condensation.core.records import as_record
from condensation.core.regular_files import LARGEST_TEXT, read_text
from condensation.core.storage import RESTORE, parsed, write
from condensation.core.stored_images import BLOCK_BYTES
from condensation.data.dataset import ReadOptions, SkippedImage
from condensation.data.pack.recognize import INDEX as INDEX, UNFINISHED as UNFINISHED, is_pack

FORMAT = 1
AGAIN = "Pack the images again in another folder, or restore the file from a backup."
PARTS = ("train", "test")


@dataclass(frozen=True)
class PackedClass:
    """Images of one class in one part, one after the other in a file."""

    label: int
    file: str
    offset: int
    count: int
    channels: int
    digest: str  # fingerprint of an `ImageSet` of these images alone
    low: int  # least value of a pixel
    high: int


@dataclass(frozen=True)
class PackedPart:
    """Training images or test images."""

    fingerprint: str  # of the `ImageSet`
    histogram: tuple[tuple[int, ...], ...]  # pixels of each value, per channel
    classes: tuple[PackedClass, ...]


@dataclass(frozen=True)
class Found:
    """Image files that were read; see `FileSummary`."""

    sizes: tuple[tuple[int, int, int], ...]  # height, width, number of images
    modes: dict[str, int]
    ignored: dict[str, int]
    skipped: tuple[SkippedImage, ...] = ()


@dataclass(frozen=True)
class PackIndex:
    """Content of the index, except for its kind, format and digest."""

    name: str  # of the data set
    shape: tuple[int, int, int]  # channels, height, width
    class_names: tuple[str, ...]
    files: dict[str, int]  # bytes of each file
    train: PackedPart
    test: PackedPart
    reading: dict[str, Any]  # options with which the images were read
    note: str
    details: dict[str, Any]  # of `Data`: the held-out images, duplicates, skipped images
    found: Found | None
    names: str  # digest of the table of names
    state: str  # digest of the files and options from which the images were read
    warnings: tuple[str, ...] = ()  # about the images
    origins: tuple[str, str] = ("", "")  # file or folder of each part; empty if it shall not be told
    named: bool = True  # False if the source has no class names, so that they are numbers

    @property
    def parts(self) -> dict[str, PackedPart]:
        return {"train": self.train, "test": self.test}


def write_index(folder: Path, index: PackIndex) -> None:
    """Write the index, which makes the pack complete."""
    content = asdict(index)
    write(folder / INDEX, as_json({"format": FORMAT, "digest": _digest(content), **content}))


def as_json(content: Mapping[str, Any]) -> bytes:
    """Return JSON with the mark of packed data at its beginning."""
    return (json.dumps({"kind": "packed images", **content}, ensure_ascii=False) + "\n").encode()


def file_digest(path: Path) -> str:
    """Return a digest of the content of a file."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_index(folder: Path) -> PackIndex:
    """Return the index of the pack in ``folder``. Raise CondensationError if the pack is unfinished, damaged or cut short."""
    path = folder / INDEX
    if not path.is_file():
        begun = is_pack(folder)
        hint = "Give the same command to pack again; it continues." if begun else "Make packed images with `condense data pack`."
        message = f"The packed images in {folder} are not finished." if begun else f"There are no packed images in {folder}."
        raise CondensationError(message, hint=hint, setting="data.source")
    try:
        content = parsed(read_text(path, largest=10 * LARGEST_TEXT))
        version, digest = (content.pop(name) for name in ("format", "digest"))
        del content["kind"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CondensationError(f"{path} is damaged: {error}.", hint=RESTORE) from None
    if isinstance(version, int) and version > FORMAT:
        message = f"{path} has format {version}; this version of condensation reads formats up to {FORMAT}."
        raise CondensationError(message, hint=NEWER)
    if digest != _digest(content):
        raise CondensationError(f"{path} is damaged: its digest does not match its content.", hint=RESTORE)
    index = as_record(content, PackIndex, str(path))
    for name, size in index.files.items():
        check_size(folder / name, size)
    return index


def check_size(path: Path, size: int) -> None:
    """Raise CondensationError unless ``path`` is a file of ``size`` bytes."""
    try:
        actual = path.stat().st_size
    except OSError as error:
        raise CondensationError(f"{path} cannot be read: {error.strerror}.", hint=AGAIN) from None
    if actual != size:
        problem = "cut short" if actual < size else "too long"
        raise CondensationError(f"{path} is {problem}: it has {actual:,} bytes, expected {size:,}.", hint=AGAIN)


def reading_of(options: ReadOptions) -> dict[str, Any]:
    """Return the options that decide about the images, as JSON."""
    content = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in ("on_progress", "skip_bad")}
    result: dict[str, Any] = json.loads(json.dumps({**content, "size": options.shape}))
    return result
