"""Condensed sets included in the package, in ``artifacts/bundled`` with their licences."""

import json
from contextlib import suppress
from pathlib import Path

from condensation.core.errors import CondensationError, unknown
from condensation.core.regular_files import LARGEST_TEXT, read_regular
from condensation.core.storage import read_json

SET = "set.safetensors"  # file name in a run folder and on the hub
RUN_SETTINGS, RUN_LOG = "settings.json", "log.jsonl"  # of a run folder
SHELF = Path(__file__).parent / "bundled"
SUFFIX = ".safetensors"


def bundled_sets() -> dict[str, Path]:
    """Return the files of the bundled sets by name, such as ``fashion-mnist-10``; the number is that of the images per class."""
    files = sorted(SHELF.glob(f"*/*{SUFFIX}"), key=lambda path: (path.parent.name, int(path.stem.rpartition("-")[2])))
    return {path.stem: path for path in files}


def bundled_path(name: str) -> Path:
    """Return the file of the bundled set ``name``. Raise CondensationError with the names of all sets if there is none."""
    files = bundled_sets()
    if name not in files:
        raise unknown("bundled set", name, files)
    return files[name]


def is_set(path: Path) -> bool:
    """Return whether ``path`` is a run folder with a set, a set file, or the name of a bundled set."""
    return (path / SET).is_file() or path.is_file() or (not path.exists() and str(path) in bundled_sets())


def set_path(path: Path) -> Path:
    """Return the file of the set at ``path``, a file or a run folder, or else of the bundled set with that name.

    Raise CondensationError with the names of the bundled sets if there is none.
    """
    files = bundled_sets()
    file = path / SET if path.is_dir() else path if path.exists() else files.get(str(path), path)
    if not file.is_file():
        if path.is_dir() and (error := _unfinished(path)):
            raise error
        hint = f"Name a run folder, a set file, or a bundled set: {', '.join(files)}."
        raise CondensationError(f"There is no condensed set at {file}.", hint=hint)
    return file


def _unfinished(folder: Path) -> CondensationError | None:
    """Return the error for a run folder without a set, with the step that its run has reached; None if ``folder`` is none."""
    settings: object = None
    with suppress(CondensationError, OSError, KeyError, TypeError):
        settings = read_json(folder / RUN_SETTINGS)["settings"]
    if not isinstance(settings, dict) or not {"method", "ipc", "baseline"} <= settings.keys():
        return None
    lines: list[str] = []
    with suppress(OSError):
        lines = read_regular(folder / RUN_LOG, LARGEST_TEXT).decode(errors="replace").splitlines()
    reached = 0
    for line in lines[:-3:-1]:  # the last one may be half written
        with suppress(ValueError, KeyError, TypeError):
            reached = max(reached, int(json.loads(line)["step"]))
    steps = settings["method"].get("steps") if isinstance(settings["method"], dict) else None
    of = f" of {steps:,}" if isinstance(steps, int) else ""
    where = f"stopped after step {reached:,}{of}" if reached else "stopped before its first step"
    return CondensationError(f"The run in {folder} is not finished: it {where}.", hint="Continue it: the same command with resume=True.")
