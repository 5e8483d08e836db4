"""The log of a run: how the loss went, a line of JSON every few steps."""

from __future__ import annotations

import json
import time
from pathlib import Path

from condensation.core.errors import NotWritten
from condensation.core.storage import write
from condensation.methods.loop import StepInfo


class LogFile:
    """An observer that keeps the loss: about ``lines`` lines of JSON for each part of a run, and none twice when it goes on."""

    def __init__(self, path: Path, lines: int = 1000) -> None:
        self.path, self.lines = path, lines
        self._started = time.perf_counter()
        self._seconds = 0.0

    def __call__(self, moment: StepInfo) -> None:
        _, done, steps = moment.part
        if moment.loss is None:
            self._begin(moment.step)
        elif done % max(1, steps // self.lines) == 0 or moment.step == moment.steps:
            seconds = self._seconds + time.perf_counter() - self._started
            line = {"step": moment.step, "loss": round(moment.loss, 6), "seconds": round(seconds, 3)}
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError as error:
                raise NotWritten(self.path, error, "") from error

    def _begin(self, step: int) -> None:
        """Drop lines of steps that will be done again, and a line cut short by a kill."""
        self._started = time.perf_counter()
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                if entry["step"] > step:
                    break
                self._seconds = float(entry["seconds"])
            except (KeyError, TypeError, ValueError):
                break
            kept.append(line)
        write(self.path, "".join(line + "\n" for line in kept).encode())
