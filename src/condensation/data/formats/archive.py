"""Sequential reading of files from a folder or a tar archive, without unpacking it to disk."""

import gzip
import tarfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.core.regular_files import open_regular, read_regular
from condensation.data.dataset import COPIES

TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")
GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 1 << 20
LARGEST = 1_000_000_000  # bytes of all unpacked files; those of CIFAR have 184 million
LARGEST_MEMBER = 300_000_000  # bytes of one of them; the largest has 155 million


def files_in(path: Path, names: Collection[str], dataset: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each of ``names`` in ``path``, a folder or a tar archive, in stored order.

    In an archive, they may be in a folder of any name. Links, devices and paths that leave the archive are ignored. Raise
    CondensationError if the archive is damaged or contains a file twice, and NotEnoughMemory if a file does not fit.
    """
    return _in_folder(path, names, dataset) if path.is_dir() else _in_tar(path, names, dataset)


def damaged_file(path: Path | str, problem: object, dataset: str = "") -> CondensationError:
    """Return the error for a damaged file, with the command that downloads it again if its ``dataset`` is known."""
    hint = f"Remove it and get it again: condense data get {dataset}" if dataset else "Download or create the file again."
    reason = str(problem).partition("\n")[0].rstrip(".")  # NumPy adds advice for programmers
    return CondensationError(f"{path} is damaged or truncated: {reason}.", hint=hint)


@contextmanager
def naming_damage(path: Path | str, dataset: str = "", errors: tuple[type[Exception], ...] = (Exception,)) -> Iterator[None]:
    """Raise ``errors`` as `damaged_file`; by default all, since readers raise errors of many types on damaged files."""
    try:
        yield
    except (CondensationError, MemoryError):
        raise
    except errors as problem:
        raise damaged_file(path, problem, dataset) from problem


def _in_folder(folder: Path, names: Collection[str], dataset: str) -> Iterator[tuple[str, bytes]]:
    for name in names:
        file = folder / name
        if file.is_file():
            size = file.stat().st_size
            _require_memory(size, file, dataset)
            yield name, read_regular(file, size)


def _in_tar(path: Path, names: Collection[str], dataset: str) -> Iterator[tuple[str, bytes]]:
    seen = set()
    with naming_damage(path, dataset), ExitStack() as stack:
        stream = _open(path, stack)
        # Stream mode decompresses each byte once and never seeks.
        tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK))
        for member in tar:
            name = _safe_name(member)
            if name is None or name not in names:
                continue
            if name in seen:
                raise CondensationError(f"{path} contains {name} twice, so it is not the published archive.")
            seen.add(name)
            _require_memory(member.size, path, dataset)
            content = cast(IO[bytes], tar.extractfile(member)).read()
            if len(content) != member.size:
                raise EOFError(f"{name} has {len(content):,} bytes, expected {member.size:,}")
            yield name, content
        while stream.read(BLOCK):  # gzip verifies its checksum at the end
            pass


class Limited:
    """Stream that ends with an error after `LARGEST` bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, LARGEST

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise EOFError(f"it has more than {LARGEST:,} bytes unpacked")
        return content


def _open(path: Path, stack: ExitStack) -> IO[bytes]:
    file = stack.enter_context(open_regular(path))
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    if not magic:
        raise EOFError("it is empty")
    return cast(IO[bytes], Limited(cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file))) if magic == GZIP_MAGIC else file))


def _safe_name(member: tarfile.TarInfo) -> str | None:
    """Return the file name of a regular file at most one folder deep, else None."""
    path = PurePosixPath(member.name)
    return path.name if member.isreg() and len(path.parts) <= 2 and not path.is_absolute() and ".." not in path.parts else None


def _require_memory(size: int, path: Path, dataset: str) -> None:
    if size > LARGEST_MEMBER:
        raise damaged_file(path, f"a file in it has {size:,} bytes, expected at most {LARGEST_MEMBER:,}", dataset)
    memory.require(COPIES * size, f"Reading {path}")
