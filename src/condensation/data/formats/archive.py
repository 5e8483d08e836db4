"""The files of a data set, read one after another from a folder or from a tar archive that is never unpacked to disk."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, cast

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.data.dataset import COPIES

TAR_ENDINGS = (".tar.gz", ".tgz", ".tar")
GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 1 << 20


def files_in(path: Path, names: Collection[str], dataset: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each of ``names`` that is in ``path``, a folder or a tar archive, in the order in which they lie there.

    In an archive they may be in one folder, whatever it is called. Links, devices and paths that lead out of the archive
    are passed over.

    Raises:
        CondensationError: if the archive is cut off or damaged, or has a file twice.
        NotEnoughMemory: if a file would not fit.
    """
    return _in_folder(path, names) if path.is_dir() else _in_tar(path, names, dataset)


def damaged(path: Path | str, problem: object, dataset: str) -> CondensationError:
    """The error for a file of ``dataset`` that is not whole."""
    return CondensationError(f"{path} is cut off or damaged: {problem}.\nRemove it and get it again: condense data get {dataset}")


def _in_folder(folder: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        file = folder / name
        if file.is_file():
            _require(file.stat().st_size, file)
            yield name, file.read_bytes()


def _in_tar(path: Path, names: Collection[str], dataset: str) -> Iterator[tuple[str, bytes]]:
    seen = set()
    with ExitStack() as stack:
        try:
            stream = _open(path, stack)
            # As a stream: each byte is decompressed once, and nothing is sought.
            tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK))
            for member in tar:
                name = _name(member)
                if name is None or name not in names:
                    continue
                if name in seen:
                    raise CondensationError(f"{path} has {name} twice, so it is not the archive that its authors gave out.")
                seen.add(name)
                _require(member.size, path)
                content = cast(IO[bytes], tar.extractfile(member)).read()
                if len(content) != member.size:
                    raise EOFError(f"{name} has {len(content):,} bytes of {member.size:,}")
                yield name, content
            while stream.read(BLOCK):  # the checksum is looked at when the end is reached
                pass
        except (CondensationError, MemoryError):
            raise
        except Exception as problem:  # tarfile raises errors of many types on damaged headers
            raise damaged(path, problem, dataset) from problem


def _open(path: Path, stack: ExitStack) -> IO[bytes]:
    file = stack.enter_context(path.open("rb"))
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    if not magic:
        raise EOFError("it is empty")
    return cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file))) if magic == GZIP_MAGIC else file


def _name(member: tarfile.TarInfo) -> str | None:
    """What a file in an archive is called; None for all that is not a plain file at most one folder deep."""
    path = PurePosixPath(member.name)
    return path.name if member.isreg() and len(path.parts) <= 2 and not path.is_absolute() and ".." not in path.parts else None


def _require(size: int, path: Path) -> None:
    memory.require(COPIES * size, f"Reading {path}", "Close other programs, or use a machine with more memory.")
