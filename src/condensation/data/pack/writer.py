"""Files of a pack while it is written: images by class, and a journal from which a killed process continues."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.memory import readable
from condensation.core.records import as_record
from condensation.core.storage import parsed
from condensation.data.dataset import SkippedImage
from condensation.data.pack.index import as_json

JOURNAL = "images.jsonl"  # later the table of names
FILE, ENDING = "images-", ".bin"
FILE_BYTES = 2 * 10**9
UNSAVED, UNSAVED_SECONDS = 2**26, 10.0  # bytes and seconds of work that a killed process loses at most, besides the class that it reads


@dataclass(frozen=True)
class PackedLine:
    """Line of the journal: the images of a class that are complete in a file."""

    part: str
    label: int
    file: str
    offset: int
    shape: tuple[int, int, int]
    count: int
    held_out: int = 0
    """Test images, which come after the training images."""
    names: tuple[str, ...] | None = None
    places: tuple[int, ...] | None = None
    """Places among all images of the source; None if they are in order."""
    deep: tuple[int, ...] = ()
    """Images with integers of more than 8 bits, whose range is known at the end."""
    peak: int = 0
    sizes: tuple[tuple[int, int, int], ...] = ()
    modes: dict[str, int] | None = None
    skipped: tuple[SkippedImage, ...] = ()
    own: int = 0

    @property
    def image_bytes(self) -> int:
        return int(np.prod(self.shape))

    @property
    def end(self) -> int:
        return self.offset + self.count * self.image_bytes


class PackWriter:
    """Appender of classes to the files in a folder; what a killed process wrote after its last complete class is cut off."""

    def __init__(self, folder: Path, file_bytes: int = FILE_BYTES) -> None:
        self._folder, self._file_bytes = folder, file_bytes
        self.lines = list(_complete_lines(folder / JOURNAL))
        self.count = sum(line.count for line in self.lines)
        self._waiting: list[PackedLine] = []  # whose images may not have reached the disk
        self._changed: set[str] = set()  # files with overwritten images that may not have reached it
        self._since = time.monotonic()
        self._done = {(line.part, line.label) for line in self.lines}
        ends = {line.file: line.end for line in self.lines}
        for path in folder.glob(f"{FILE}*{ENDING}"):
            if path.name in ends:
                os.truncate(path, ends[path.name])
            else:
                path.unlink()

    def has(self, part: str, label: int) -> bool:
        """Return whether the images of a class are complete."""
        return (part, label) in self._done

    def add(self, part: str, label: int, images: np.ndarray, **facts: Any) -> None:
        """Append the images of a class, (n, c, h, w) uint8. Raise OSError if there is no room."""
        file, offset = (self.lines[-1].file, self.lines[-1].end) if self.lines else (_file_name(0), 0)
        if offset and offset + images.nbytes > self._file_bytes:
            self.flush()
            file, offset = _file_name(int(file[len(FILE) : -len(ENDING)]) + 1), 0
        _append(self._folder / file, offset, np.ascontiguousarray(images).data.cast("B"))
        line = PackedLine(part, label, file, offset, images.shape[1:], len(images), **facts)
        self.lines.append(line)
        self.count += line.count
        self._waiting.append(line)
        self._done.add((part, label))
        if line.end - self._waiting[0].offset > UNSAVED or time.monotonic() - self._since > UNSAVED_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Make the images survive a power loss, then record them in the journal."""
        if self._waiting:
            _sync(self._folder / self._waiting[0].file)  # all are in one file
            journal = self._folder / JOURNAL
            content = b"".join(as_json(asdict(line)) for line in self._waiting)
            _append(journal, journal.stat().st_size if journal.exists() else 0, memoryview(content))
            _sync(journal)
        for file in self._changed:
            _sync(self._folder / file)
        self._waiting, self._changed, self._since = [], set(), time.monotonic()

    def overwrite(self, line: PackedLine, index: int, image: np.ndarray) -> None:
        """Replace one image of a class."""
        pixels = np.ascontiguousarray(np.broadcast_to(image, line.shape))
        with (self._folder / line.file).open("r+b") as file:
            file.seek(line.offset + index * line.image_bytes)
            file.write(pixels.data)
        self._changed.add(line.file)

    def require_room(self, images: int) -> None:
        """Raise OSError if the disk has no room for ``images`` in all, as far as the last class tells."""
        last = self.lines[-1]
        missing = (images - self.count) * last.image_bytes
        if missing > (free := free_space(self._folder)):
            raise OSError(f"it needs {readable(missing)} more, and {readable(free)} are free")


def free_space(folder: Path) -> int:
    """Return the free bytes of the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def _file_name(number: int) -> str:
    return f"{FILE}{number:04}{ENDING}"


def _append(path: Path, offset: int, content: memoryview) -> None:
    """Write ``content`` at the end of a file of ``offset`` bytes."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(content)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _complete_lines(path: Path) -> Iterator[PackedLine]:
    """Yield the lines of the journal, and cut off a line that was not finished."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        complete = 0
        for text in file:
            if not text.endswith(b"\n"):
                file.truncate(complete)
                return
            complete += len(text)
            yield as_record(parsed(text.decode()), PackedLine, str(path))
