"""Run folder: the names of its files, and the checks and the lock that protect it from other runs."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from condensation.artifacts.set_file import SET
from condensation.core.checkpoint import first_difference
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.storage import UNFINISHED, read_json

SETTINGS, LOG, CHECKPOINT, GRID, SCORES = "settings.json", "log.jsonl", "checkpoint.safetensors", "grid.png", "scores.json"
LOCK = ".lock"  # exists while a run writes into the folder
ELSEWHERE = "Choose another folder (out=...)."


def check_folder(folder: Path, content: Mapping[str, Any], resume: bool) -> None:
    """Check that ``folder`` is free for a new run, or with ``resume`` holds the run of the plain settings ``content``.

    Raise CondensationError if it holds another run, naming the difference, or this run and ``resume`` is False.
    """
    if folder.exists() and not folder.is_dir():
        raise CondensationError(f"{folder} is a file.", hint="Choose a folder (out=...).", setting="out")
    if not (folder / SETTINGS).exists():
        if folder.exists() and any(path.name != LOCK and not path.name.endswith(UNFINISHED) for path in folder.iterdir()):
            raise CondensationError(f"{folder} is not empty and holds no run.", hint="Choose a new folder (out=...).", setting="out")
        if resume:
            raise CondensationError(f"There is no run to resume in {folder}.", hint="Start one with resume=False.", setting="resume")
        return
    if not resume and not any((folder / name).exists() for name in (CHECKPOINT, SET)):
        return  # a run that was rejected or stopped before its first checkpoint may be replaced
    # The compute settings may change when a run is resumed, for example on another machine.
    wanted = {**json.loads(json.dumps(content)), "compute": None}
    difference = first_difference({**_saved_settings(folder), "compute": None}, wanted)
    if difference:
        hint = f"{ELSEWHERE[:-1]}, or use the same settings."
        raise CondensationError(f"{folder} holds another run: {difference}.", hint=hint, setting="out")
    if not resume:
        state = "is finished" if is_finished(folder, content) else "was interrupted"
        hint = "Continue it with resume=True, or choose another folder (out=...)."
        raise CondensationError(f"{folder} holds this run already; it {state}.", hint=hint, setting="resume")


def is_finished(folder: Path, content: Mapping[str, Any]) -> bool:
    """Return whether ``folder`` has all results that the plain settings ``content`` ask for."""
    results = (SET, GRID, SCORES) if content["evaluation"]["networks"] else (SET, GRID)
    return all((folder / name).exists() for name in results)


def _saved_settings(folder: Path) -> dict[str, Any]:
    content = read_json(folder / SETTINGS)
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict):
        raise CondensationError(f"{folder / SETTINGS} holds no settings of a run.", hint=ELSEWHERE, setting="out")
    return settings


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Create ``folder`` and lock it, so that no other process or thread runs in it; the system unlocks it if the process dies.

    A new folder is removed if the block leaves it empty. Raise CondensationError if another run holds the lock, NotWritten if the folder
    or the lock cannot be created.
    """
    path, is_new = folder / LOCK, not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _open_locked(path)
        while not _is_at(path, file):  # the run that held the lock has removed the file
            file.close()
            file = _open_locked(path)
    except OSError as error:
        raise NotWritten(folder, error, "") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _open_locked(path: Path) -> IO[str]:
    file = path.open("a")
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            hint = "Wait for it, or choose another folder (out=...)."
            raise CondensationError(f"Another run is writing into {path.parent}.", hint=hint, setting="out") from None
        except OSError:  # a network file system without locks
            pass
    return file


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
