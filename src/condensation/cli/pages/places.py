"""Places of reports, and the check of what is to be reported by the names of files alone; torch is not imported."""

from collections.abc import Sequence
from pathlib import Path

from condensation.artifacts.shelf import bundled_sets
from condensation.core.errors import CondensationError
from condensation.data.own_output import RECORDS
from condensation.report.page.render import check_place
from condensation.runs.files import SET

REPORT = "report.html"
NAMES = (SET, *RECORDS)  # files by which a folder may be reported


def default_place(paths: Sequence[Path]) -> Path:
    """Return the path of the page about ``paths``."""
    if len(paths) > 1:
        return Path(REPORT)
    return paths[0] / REPORT if paths[0].is_dir() else paths[0].with_suffix(".html")


def require_reportable(paths: Sequence[Path], out: Path | None = None) -> Path:
    """Return the path of the page about ``paths``.

    Raise CondensationError if a path holds no run, study or set, or the place of the page holds something else than a report.
    """
    for path in paths:
        folders = [path, *path.iterdir()] if path.is_dir() else []
        if not (path.exists() or str(path) in bundled_sets()) or (
            folders and not any((folder / name).exists() for folder in folders for name in NAMES)
        ):
            raise nothing_in(path)
    out = out or default_place(paths)
    check_place(out)
    return out


def nothing_in(path: Path) -> CondensationError:
    """Return the error for a path that holds nothing to report."""
    hint = "Name a run folder, the folder of a study, a set file, a bundled set, or a folder of those."
    return CondensationError(f"There is no run, study or set in {path}.", hint=hint)
