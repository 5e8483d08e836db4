"""Files and folders written atomically: each is complete or absent, even after a crash. JSON in and out."""

import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError, NotWritten
from condensation.core.lock import LOCK, lock_beside, locked_beside, marked, remove_free
from condensation.core.regular_files import read_text
from condensation.core.renamed import with_new_names

UNFINISHED = ".unfinished"  # suffix of files and folders that are being written
ABANDONED = 24 * 3600.0  # seconds after which they may be removed where the file system has no locks
LEVELS = 100  # of tables and lists in each other
BITS = 1000  # of a whole number; larger ones are no floats
RESTORE = "Restore it from a backup, or remove it to create it again."


@contextmanager
def atomic_file(path: Path, *, in_folder: bool = False) -> Iterator[Path]:
    """Yield a temporary file that replaces ``path`` if the block succeeds. Raise OSError if it cannot be written.

    With ``in_folder``, the file is in a temporary folder, for libraries that write temporary files of their own beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path, _new_folder if in_folder else _new_file) as temporary:
        written = temporary / path.name if in_folder else temporary
        yield written
        os.chmod(written, 0o666 & ~_umask())
        put_in_place(written, path)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a complete file to ``path``, so that it survives a power loss from then on."""
    _sync_file(temporary)
    os.replace(temporary, path)
    _sync_folder(path.parent)


@contextmanager
def _temporary(path: Path, make: Callable[[Path], str]) -> Iterator[Path]:
    """Yield a temporary file or folder that ``make`` creates; its mark keeps `remove_unfinished` of other processes away."""
    remove_unfinished(path.parent, glob.escape(path.name))
    with ExitStack() as stack:
        while True:
            temporary = Path(make(path))
            stack.callback(remove, temporary)
            with suppress(FileNotFoundError):  # another process removed it before it was marked
                if stack.enter_context(marked(temporary)) is not False and temporary.exists():
                    break
        yield temporary


def _new_file(path: Path) -> str:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
    os.close(handle)
    return name


def _new_folder(path: Path) -> str:
    return tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds, as far as that is allowed."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power loss, where the system can."""
    with suppress(OSError):  # Windows opens no folders, and some file systems sync none
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
    remove_free(lock_beside(path))
    if path.is_dir() and any(path.iterdir()):
        hint = "Remove it, or choose another folder (out=...)."
        raise CondensationError(f"{path} is not empty; nothing is overwritten.", hint=hint, setting="out")
    if path.is_dir() and path.samefile("."):  # replacing it would leave this process, and a shell, in a folder without a name
        raise CondensationError(f"{path} is the current folder.", hint="Choose a new folder (out=...).", setting="out")
    if path.exists() and not path.is_dir():
        raise CondensationError(f"{path} is a file; nothing is overwritten.", hint="Choose a folder (out=...).", setting="out")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` if the block succeeds. Raise CondensationError if ``path`` is not free."""
    require_free(path)
    try:
        with locked_beside(path), _temporary(path, _new_folder) as temporary:
            require_free(path)  # another process may have written it in the meantime
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _sync_file(Path(folder, name))
                _sync_folder(Path(folder))
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                path.rmdir()  # some systems cannot rename to an empty folder
            temporary.rename(path)
            _sync_folder(path.parent)
    except OSError as error:
        raise NotWritten(path, error, "No part of it was kept.") from error


def remove_unfinished(folder: Path, name: str = "*") -> None:
    """Remove the temporary files and folders for ``name``, a pattern, that killed processes left in ``folder``; those in use stay."""
    for path in folder.glob(f".{name}.*{UNFINISHED}"):
        with suppress(OSError), marked(path) as free:
            if free or (free is None and time.time() - path.stat().st_mtime > ABANDONED):
                remove(path)


def entries(folder: Path) -> list[Path]:
    """Return what ``folder`` holds, except for a lock and unfinished files; empty if it does not exist."""
    return [path for path in folder.iterdir() if path.name != LOCK and not path.name.endswith(UNFINISHED)] if folder.exists() else []


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON, atomically."""
    write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raise CondensationError if it is missing or damaged."""
    try:
        return with_new_names(parsed(read_text(path)))
    except FileNotFoundError:
        raise CondensationError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        raise CondensationError(f"{path} is damaged or not JSON: {error}.", hint=RESTORE) from None


def parsed(text: str, parse: Callable[[str], Any] = json.loads) -> Any:
    """Return the content of JSON or TOML ``text``. Raise ValueError if it cannot be parsed, or JSON cannot store it."""
    try:
        content = parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    values = [content]
    for _ in range(LEVELS):
        if not values:
            return content
        values = [inner for value in values for inner in _checked(value)]
    raise ValueError("it is nested too deeply")


def _checked(value: Any) -> list[Any]:
    """Return the values inside of a list or a table, and keys. Raise ValueError if ``value`` is unusable."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("it has half of a character (a lone surrogate)")
    elif isinstance(value, int):
        if value.bit_length() > BITS:
            raise ValueError(f"it has a whole number of more than {BITS} bits")
    elif not isinstance(value, float | None):
        raise ValueError(f"it has a value of the type {type(value).__name__}, which JSON lacks")
    return []
