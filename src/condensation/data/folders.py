"""Data folders, and the errors for data that do not exist; torch is not imported."""

import os
from itertools import islice
from pathlib import Path

from condensation.core.errors import CondensationError, NoSuchData, did_you_mean
from condensation.core.text import in_line
from condensation.core.trust import as_path_text
from condensation.data.catalogue import known_name

VARIABLE = "CONDENSATION_DATA"
HUB = "hf:"  # begin of the names of data sets of the Hugging Face hub
MOST_COMPARED = 1_000  # names in a folder that are compared with a misspelt one


def require_source(source: str, folder: str | None = None) -> None:
    """Raise NoSuchData if ``source`` is a path that does not exist, or ``folder`` does not exist; names are checked when they are read."""
    data_folder(folder)
    if source.startswith(HUB):
        return
    if is_path(source) and not expanded(source).exists():
        raise no_path_error(expanded(source))
    a_file = known_name(source) is None and ":" not in source and Path(source).suffix[1:].isalpha()  # such as table.csv
    if a_file and not Path(source).exists() and not search_folders(folder):
        raise no_path_error(source)


def is_path(source: str | Path) -> bool:
    """Return whether ``source`` is written as a path, not as a name."""
    return isinstance(source, Path) or "/" in source or os.sep in source or source.startswith((".", "~"))


def expanded(source: str | Path) -> Path:
    """Return the path ``source`` with the user's folder in place of ``~``."""
    return Path(os.path.expanduser(as_path_text(str(source))))


def data_folder(folder: str | Path | None) -> Path | None:
    """Return ``folder``, or the one named by CONDENSATION_DATA, or None; raise NoSuchData if it does not exist."""
    named = folder if folder is not None else os.environ.get(VARIABLE) or None
    if named is None:
        return None
    path = Path(os.path.expanduser(as_path_text(str(named))))
    if not path.is_dir():
        named_by = "" if folder is not None else f" (set by {VARIABLE})"
        raise NoSuchData(f"There is no folder {path}{named_by}.", setting="data.folder")
    return path


def user_folder() -> Path | None:
    """Return the default folder of ``condense data get``; None if platformdirs is not installed."""
    try:
        from platformdirs import user_data_path
    except ImportError:
        return None
    return user_data_path("condensation", appauthor=False)


def search_folders(folder: str | Path | None) -> list[Path]:
    """Return the existing folders to search: `data_folder`, then `user_folder`."""
    return [root for root in (data_folder(folder), user_folder()) if root is not None and root.is_dir()]


def names_beside(path: Path) -> list[str]:
    """Return the names in the folder of ``path``, for suggestions; none if it cannot be read."""
    try:
        with os.scandir(path.parent) as entries:
            return [entry.name for entry in islice(entries, MOST_COMPARED) if not entry.name.startswith(".")]
    except OSError:
        return []


def no_path_error(path: str | Path) -> CondensationError:
    """Return the error for a ``path`` that does not exist."""
    slashes = str(path).replace("\\", "/")
    hint = f"Did you mean {in_line(slashes)}?" if slashes != str(path) and Path(os.path.expanduser(slashes)).exists() else ""
    suggestion = did_you_mean(Path(path).name, names_beside(Path(path)))
    return NoSuchData(f"There is no folder or file {path}.{suggestion}", hint=hint, setting="data.source")
