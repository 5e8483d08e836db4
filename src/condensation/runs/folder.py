"""Run folder: the names of its files, and the checks that protect it from other runs."""

import errno
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class RunFolder:
    """Folder of one run: what it holds of that run, and the checks that protect it from other runs."""

    path: Path
    content: Mapping[str, Any]
    """Plain settings of the run."""
    method: Method | None = None
    """Method of the run; with it, the run in the folder may have fewer steps if it can go on."""

    def check(self, resume: bool) -> None:
        """Check that the folder is free for a new run, or with ``resume`` holds this one.

        Raise CondensationError if it holds another run, naming the difference, or this run and ``resume`` is False, and NotWritten if the
        run is unfinished and the folder cannot be written.
        """
        require_run_folder(self.path, resume)
        if not self.is_finished():
            _require_writable(self.path)
        if not (self.path / SETTINGS).exists():
            return
        if not resume and not has_checkpoint(self.path) and not (self.path / SET).exists():
            return  # a run that was rejected or stopped before its first checkpoint may be replaced
        self._require_same(resume)
        if not resume:
            unfinished = "has fewer steps" if self._is_shorter() else "was interrupted"
            state = "is finished" if self.is_finished() else unfinished
            hint = "Continue it with resume=True, or choose another folder (out=...)."
            raise CondensationError(f"{self.path} holds this run already; it {state}.", hint=hint, setting="resume")

    def _require_same(self, resume: bool) -> None:
        """Raise CondensationError if the folder holds another run."""
        # The compute settings may change when a run is resumed, for example on another machine.
        wanted, saved = {**json.loads(json.dumps(self.content)), "compute": None}, _saved_settings(self.path)
        difference = first_difference({**grown(saved, wanted, self._growing), "compute": None}, wanted)
        if not difference:
            return
        hint = f"{ELSEWHERE[:-1]}, or use the same settings."
        if resume and self.method and difference.startswith(STEPS) and not self.method.growing_setting:
            hint = f"The steps of {type(self.method).__name__} depend on their number, so its runs cannot be made longer. {hint}"
        presets = _presets(saved, wanted)
        if presets and presets[0] != presets[1]:
            difference = f"it has the preset {presets[0]}, this run the preset {presets[1]} ({difference})"
            hint = f'{ELSEWHERE[:-1]}, or add preset="{presets[0]}".'
        raise CondensationError(f"{self.path} holds another run: {difference}.", hint=hint, setting="out")

    def is_finished(self) -> bool:
        """Return whether the folder has all results that the settings ask for; with a `method`, all steps too."""
        results = (SET, GRID, SCORES) if self.content["evaluation"]["networks"] else (SET, GRID)
        return all((self.path / name).exists() for name in results) and not self._is_shorter()

    def steps_done(self, steps: int) -> int:
        """Return how many of the ``steps`` of the run need not be done again: all, if its set is saved."""
        if (self.path / SET).exists() and not self._is_shorter():
            return steps
        try:
            if (self.path / CHECKPOINT).exists():
                return min(steps, step_of(self.path / CHECKPOINT))
            manifest = latest_manifest(self.path / CHECKPOINT_PARTS)
            return min(steps, manifest.steps[0]) if manifest else 0
        except CondensationError:  # told where it is read
            return 0

    def remove_shorter_results(self) -> None:
        """Remove the results of the run if it had fewer steps than the settings ask for; its checkpoint goes on."""
        if self._is_shorter():
            for name in (SCORES, EVALUATED, CURVE, GRID, SET):  # the scores first, since they mark the run as finished
                (self.path / name).unlink(missing_ok=True)

    def _is_shorter(self) -> bool:
        if not self._growing or not (self.path / SETTINGS).exists():
            return False
        saved = _saved_settings(self.path)
        return bool(grown(saved, self.content, self._growing) != saved)

    @property
    def _growing(self) -> str:
        return f"method.{self.method.growing_setting}" if self.method and self.method.growing_setting else ""


def warn_of_other_machine(folder: Path) -> None:
    """Warn if the interrupted run in ``folder`` was computed with other instructions, threads or packages, which round differently."""
    saved, now = read_json(folder / SETTINGS).get("machine"), machine()
    if isinstance(saved, dict) and (difference := first_difference({name: saved.get(name) for name in now}, now, "machine")):
        logger.warning(f"The run in {folder} began elsewhere: {difference}. The images will not be identical to those of one machine.")


def _presets(*runs: Mapping[str, Any]) -> list[str]:
    """Return the preset that the method of each of ``runs`` is closest to; empty unless all have the same method of this library."""
    from condensation.runs.presets import closest_preset_of_method  # the presets know all methods

    found = [closest_preset_of_method(run) for run in runs]
    return [name for name in found if name] if all(found) else []


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
