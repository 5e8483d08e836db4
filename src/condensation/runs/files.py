"""Names of the files of a run folder, and the check whether a folder can be one."""

from pathlib import Path

from condensation.artifacts.shelf import SET as SET
from condensation.core.errors import CondensationError
from condensation.core.storage import entries

SETTINGS, LOG, CHECKPOINT, GRID, SCORES = "settings.json", "log.jsonl", "checkpoint.safetensors", "grid.png", "scores.json"
CHECKPOINT_PARTS = "checkpoint"  # folder of a checkpoint that several processes wrote; see `core.checkpoint_parts`
EVALUATED = "evaluated.json"  # finished networks of an evaluation that was interrupted
CURVE, CURVE_SETS = "curve.json", "curve"  # accuracies of intermediate sets, and the folder of these sets
MESSAGES = "run.log"  # what a command reported, with times
ELSEWHERE = "Choose another folder (out=...)."


def has_checkpoint(folder: Path) -> bool:
    """Return whether ``folder`` holds a state from which its run can go on."""
    return (folder / CHECKPOINT).exists() or (folder / CHECKPOINT_PARTS / "manifest.json").exists()


def require_run_folder(folder: Path, resume: bool) -> None:
    """Raise CondensationError if ``folder`` is a file, holds something else than a run, or with ``resume`` holds no run."""
    if folder.exists() and not folder.is_dir():
        raise CondensationError(f"{folder} is a file.", hint="Choose a folder (out=...).", setting="out")
    if (folder / SETTINGS).exists():
        return
    if [path for path in entries(folder) if path.name != MESSAGES]:
        raise CondensationError(f"{folder} is not empty and holds no run.", hint="Choose a new folder (out=...).", setting="out")
    if resume:
        raise CondensationError(f"There is no run to resume in {folder}.", hint="Leave out resume=True to start one.", setting="resume")
