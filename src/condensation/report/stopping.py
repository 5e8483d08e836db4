"""Work that Ctrl-C stops between two steps, with its progress."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from condensation.core.compute import COMPILING, Compute
from condensation.methods.step_info import Stopped
from condensation.report.progress import Reporter, reporter
from condensation.report.schedule import Schedule
from condensation.report.tables import plain_console

INTERRUPTED = 130  # exit code of a program that Ctrl-C interrupted


class CompilingHandler(logging.Handler):
    """Handler that shows when networks are compiled."""

    def __init__(self, shown: Reporter) -> None:
        super().__init__(logging.INFO)
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == COMPILING:
            self._shown.compiling()


class StopOnSignal:
    """Handler that turns Ctrl-C and SIGTERM into a stop between two steps; a second signal ends the program at once."""

    def __init__(self) -> None:
        self._asked, self._before = False, dict[int, Any]()

    def check(self, *_: object) -> None:
        """Raise `Stopped` after a signal; usable as an observer and as an ``on_progress``."""
        if self._asked:
            raise Stopped("stopped on request")

    def __enter__(self) -> StopOnSignal:
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        print("\nStopping after this step. Press Ctrl-C again to stop at once with the last saved state.", file=sys.stderr, flush=True)


class StoppableReporter(Reporter):
    """Reporter that shows progress, then raises `Stopped` if a signal asked for it."""

    def __init__(self, shown: Reporter, stop: StopOnSignal) -> None:
        self._shown, self._stop = shown, stop

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        self._shown.show(part, done, total, note)
        self._stop.check()

    def compiling(self) -> None:
        self._shown.compiling()


@contextmanager
def stoppable(
    *, quiet: bool, message: Callable[[Stopped], str] = lambda stopped: "", schedule: Schedule | None = None
) -> Iterator[Reporter]:
    """Yield a reporter that stops the work after Ctrl-C; then print the message and exit with code 130."""
    errors = plain_console(stderr=True)
    with StopOnSignal() as stop, reporter(errors, quiet, schedule) as shown, _compiling_shown(shown):
        try:
            yield StoppableReporter(shown, stop)
        except Stopped as stopped:
            if text := message(stopped):
                errors.print(text)
            raise SystemExit(INTERRUPTED) from None


@contextmanager
def _compiling_shown(shown: Reporter) -> Iterator[None]:
    compiler, handler = logging.getLogger(Compute.__module__), CompilingHandler(shown)
    level = compiler.level
    compiler.addHandler(handler)
    compiler.setLevel(logging.INFO)
    try:
        yield
    finally:
        compiler.removeHandler(handler)
        compiler.setLevel(level)
