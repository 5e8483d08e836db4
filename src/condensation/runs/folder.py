"""Run folder: the names of its files, and the checks that protect it from other runs."""

import errno
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condensation.core.checkpoint_parts import latest_manifest, step_of
from condensation.core.environment import machine
from condensation.core.errors import CondensationError, NotWritten
from condensation.core.plain import first_difference, grown
from condensation.core.storage import read_json
from condensation.methods.base import Method
from condensation.runs.files import (
    CHECKPOINT,
    CHECKPOINT_PARTS,
    CURVE,
    ELSEWHERE,
    EVALUATED,
    GRID,
    SCORES,
    SET,
    SETTINGS,
    has_checkpoint,
    require_run_folder,
)

logger = logging.getLogger(__name__)
STEPS = ("method.steps ", "method.iterations ", "method.of.steps ")  # begin of a difference in the number of steps


def check_folder(folder: Path, content: Mapping[str, Any], resume: bool, method: Method | None = None) -> None:
    """Check that ``folder`` is free for a new run, or with ``resume`` holds the run of the plain settings ``content``.

    With its ``method``, the run in the folder may have fewer steps if it can go on. Raise CondensationError if it holds another run,
    naming the difference, or this run and ``resume`` is False, and NotWritten if the run is unfinished and the folder cannot be written.
    """
    require_run_folder(folder, resume)
    if not is_finished(folder, content, method):
        _require_writable(folder)
    if not (folder / SETTINGS).exists():
        return
    if not resume and not has_checkpoint(folder) and not (folder / SET).exists():
        return  # a run that was rejected or stopped before its first checkpoint may be replaced
    # The compute settings may change when a run is resumed, for example on another machine.
    wanted, saved = {**json.loads(json.dumps(content)), "compute": None}, _saved_settings(folder)
    difference = first_difference({**grown(saved, wanted, _growing(method)), "compute": None}, wanted)
    if difference:
        hint = f"{ELSEWHERE[:-1]}, or use the same settings."
        if resume and method and difference.startswith(STEPS) and not method.growing_setting:
            hint = f"The steps of {type(method).__name__} depend on their number, so its runs cannot be made longer. {hint}"
        presets = _presets(saved, wanted)
        if presets and presets[0] != presets[1]:
            difference = f"it has the preset {presets[0]}, this run the preset {presets[1]} ({difference})"
            hint = f'{ELSEWHERE[:-1]}, or add preset="{presets[0]}".'
        raise CondensationError(f"{folder} holds another run: {difference}.", hint=hint, setting="out")
    if not resume:
        unfinished = "has fewer steps" if _is_shorter(folder, content, method) else "was interrupted"
        state = "is finished" if is_finished(folder, content, method) else unfinished
        hint = "Continue it with resume=True, or choose another folder (out=...)."
        raise CondensationError(f"{folder} holds this run already; it {state}.", hint=hint, setting="resume")


def _presets(*runs: Mapping[str, Any]) -> list[str]:
    """Return the preset that the method of each of ``runs`` is closest to; empty unless all have the same method of this library."""
    from condensation.runs.presets import closest_preset_of_method  # the presets know all methods

    found = [closest_preset_of_method(run) for run in runs]
    return [name for name in found if name] if all(found) else []


def warn_of_other_machine(folder: Path) -> None:
    """Warn if the interrupted run in ``folder`` was computed with other instructions, threads or packages, which round differently."""
    saved, now = read_json(folder / SETTINGS).get("machine"), machine()
    if isinstance(saved, dict) and (difference := first_difference({name: saved.get(name) for name in now}, now, "machine")):
        logger.warning(f"The run in {folder} began elsewhere: {difference}. The images will not be identical to those of one machine.")


def steps_done(folder: Path, content: Mapping[str, Any], method: Method) -> int:
    """Return the steps of the run with the plain settings ``content`` that need not be done again: all, if its set is saved."""
    if (folder / SET).exists() and not _is_shorter(folder, content, method):
        return method.steps
    try:
        if (folder / CHECKPOINT).exists():
            return min(method.steps, step_of(folder / CHECKPOINT))
        manifest = latest_manifest(folder / CHECKPOINT_PARTS)
        return min(method.steps, manifest.steps[0]) if manifest else 0
    except CondensationError:  # told where it is read
        return 0


def is_finished(folder: Path, content: Mapping[str, Any], method: Method | None = None) -> bool:
    """Return whether ``folder`` has all results that the plain settings ``content`` ask for; with their ``method``, all steps too."""
    results = (SET, GRID, SCORES) if content["evaluation"]["networks"] else (SET, GRID)
    return all((folder / name).exists() for name in results) and not _is_shorter(folder, content, method)


def remove_shorter_results(folder: Path, content: Mapping[str, Any], method: Method) -> None:
    """Remove the results of the run in ``folder`` if it had fewer steps than ``content`` asks for; its checkpoint goes on."""
    if _is_shorter(folder, content, method):
        for name in (SCORES, EVALUATED, CURVE, GRID, SET):  # the scores first, since they mark the run as finished
            (folder / name).unlink(missing_ok=True)


def _is_shorter(folder: Path, content: Mapping[str, Any], method: Method | None) -> bool:
    if not _growing(method) or not (folder / SETTINGS).exists():
        return False
    saved = _saved_settings(folder)
    return bool(grown(saved, content, _growing(method)) != saved)


def _growing(method: Method | None) -> str:
    return f"method.{method.growing_setting}" if method and method.growing_setting else ""


def _saved_settings(folder: Path) -> dict[str, Any]:
    content = read_json(folder / SETTINGS)
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict):
        raise CondensationError(f"{folder / SETTINGS} holds no settings of a run.", hint=ELSEWHERE, setting="out")
    return settings


def _require_writable(folder: Path) -> None:
    """Raise NotWritten if ``folder`` cannot be made or written, before any work is done for it."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise NotWritten(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "")
