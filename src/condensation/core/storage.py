"""Files and folders written atomically: each is complete or absent, even after a crash. JSON in and out."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.renamed import with_new_names

UNFINISHED = ".unfinished"  # suffix of files and folders that are being written
RESTORE = "Restore it from a backup, or remove it to create it again."


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path``; it replaces ``path`` if the block succeeds, and is removed otherwise.

    Raise OSError if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically. Raise NotWritten if that is impossible; an earlier file is unchanged."""
    try:
        with atomic_file(path) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        left = "The earlier file is unchanged." if os.path.lexists(path) else "No part of it was kept."
        raise NotWritten(path, error, left) from error


def require_free(path: Path) -> None:
    """Check that a new folder can be made at ``path``. Raise CondensationError if it is a file, or a folder that is not empty."""
    if path.is_dir() and any(path.iterdir()):
        hint = "Remove it, or choose another folder (out=...)."
        raise CondensationError(f"{path} is not empty; nothing is overwritten.", hint=hint, setting="out")
    if path.exists() and not path.is_dir():
        raise CondensationError(f"{path} is a file; nothing is overwritten.", hint="Choose a folder (out=...).", setting="out")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; it becomes ``path`` if the block succeeds, and is removed otherwise. It checks `require_free` first."""
    require_free(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED))
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            path.rmdir()  # some systems cannot rename to an empty folder
        temporary.rename(path)
    except OSError as error:
        raise NotWritten(path, error, "No part of it was kept.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left in ``folder``."""
    for path in folder.glob(f".*{UNFINISHED}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON, atomically."""
    write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raise CondensationError if it is missing or damaged."""
    try:
        return with_new_names(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CondensationError(f"There is no file {path}.") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: invalid JSON or UTF-8, or a number with thousands of digits
        raise CondensationError(f"{path} is damaged or not JSON: {error}.", hint=RESTORE) from None
