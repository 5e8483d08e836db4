"""The log of a run: the loss as lines of JSON; torch is not imported, so that logs are read at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from condensation.core.errors import NotWritten
from condensation.core.memory import peak_memory
from condensation.core.records import as_record
from condensation.core.regular_files import LARGEST_TEXT, read_regular
from condensation.core.storage import parsed, write

if TYPE_CHECKING:
    from condensation.methods.step_info import StepInfo


@dataclass(frozen=True)
class LogLine:
    """A line of a log."""

    step: int
    loss: float
    seconds: float
    memory: dict[str, int] | None = None  # `peak_memory` after the last step


def read_log(path: Path) -> list[LogLine]:
    """Return the lines of a log, without those that are damaged; empty if there is no file."""
    return list(_lines(path, _texts(path)))


def last_line(path: Path) -> LogLine | None:
    """Return the last complete line of a log; a killed process may leave half a line."""
    return next(_lines(path, reversed(_texts(path))), None)


def _texts(path: Path) -> list[str]:
    with suppress(OSError):
        return read_regular(path, LARGEST_TEXT).decode(errors="replace").splitlines()
    return []


def _lines(path: Path, texts: Iterable[str]) -> Iterator[LogLine]:
    for text in texts:
        with suppress(ValueError):
            yield as_record(parsed(text), LogLine, str(path))


class LossLog:
    """An observer that appends about ``lines`` lines per phase of a run. Resuming a run repeats no line."""

    def __init__(self, path: Path, lines: int = 1000) -> None:
        self.path, self.lines = path, lines
        self._started = time.perf_counter()
        self._seconds = 0.0

    def __call__(self, info: StepInfo) -> None:
        """Log the loss of a step, or prepare the file before the first one."""
        _, done, steps = info.phase
        if info.loss is None:
            self._begin(info.step)
        elif done % max(1, steps // self.lines) == 0 or info.step == info.steps:
            seconds = self._seconds + time.perf_counter() - self._started
            line: dict[str, object] = {"step": info.step, "loss": round(info.loss, 6), "seconds": round(seconds, 3)}
            if info.step == info.steps:
                line["memory"] = peak_memory()
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError as error:
                raise NotWritten(self.path, error, "") from error

    def _begin(self, step: int) -> None:
        """Remove the lines of steps that will be repeated, and an incomplete last line."""
        self._started = time.perf_counter()
        if not self.path.exists():
            return
        kept = []
        try:
            lines = read_regular(self.path, LARGEST_TEXT).decode(errors="replace").splitlines()
        except OSError as error:
            raise NotWritten(self.path, error, "") from error
        for line in lines:
            try:
                entry = parsed(line)
                if entry["step"] > step:
                    break
                self._seconds = float(entry["seconds"])
            except (KeyError, TypeError, ValueError):
                break
            kept.append(line)
        write(self.path, "".join(line + "\n" for line in kept).encode())
