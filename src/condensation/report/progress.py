"""Progress of a run: a live bar on a terminal, occasional lines elsewhere, or nothing."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from condensation.methods.loop import StepInfo, Stopped
from condensation.report.tables import plain_console

INTERRUPTED = 130  # exit code of a program that Ctrl-C interrupted
READING = "reading images"
READING_DELAY = 2.0  # seconds before the first line about reading; reading from the cache takes less


class Reporter:
    """Receiver of the progress of each part of a run that shows nothing; subclasses override `show`."""

    def reading(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` images are read."""
        self.show(READING, done, total)

    def condensing(self, info: StepInfo) -> None:
        """Show the step and its loss, as an observer of `condense`."""
        self.show(*info.phase, "" if info.loss is None else f"loss {info.loss:.4g}")

    def training(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` training epochs of a pool or a proxy are done."""
        self.show("training", done, total)

    def evaluating(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` epochs of evaluation are done."""
        self.show("evaluating", done, total)

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` steps of ``part`` are done."""


class LineReporter(Reporter):
    """Reporter that prints a line when a part begins and ends, and one every ``every`` seconds, on standard error."""

    def __init__(self, every: float = 15.0) -> None:
        self.every, self._pace = every, _Pace()
        self._last = self._reading_since = 0.0

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if part == READING:
            self._reading_since = self._reading_since or now
            if now - self._reading_since <= READING_DELAY:
                return
        if not total:
            return
        speed = self._pace.update(part, done)
        if done == total or now - self._last >= self.every:
            self._last = now
            pace = f"{speed:.1f}/s  {_clock((total - done) / speed)} left" if speed else ""
            print("  ".join(filter(None, (f"{part} {done:,}/{total:,}", note, pace))), file=sys.stderr, flush=True)


class LiveReporter(Reporter):
    """Reporter that draws a progress bar with loss, speed and time left for each part."""

    def __init__(self, progress: Progress) -> None:
        self._pace, self._progress, self._tasks = _Pace(), progress, dict[str, TaskID]()

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        if not total:
            return
        if part not in self._tasks:
            for task in self._tasks.values():  # a part begins when those before it are done
                self._progress.update(task, completed=self._progress.tasks[task].total)
            # The steps before a resume don't count towards the speed.
            self._tasks[part] = self._progress.add_task(part, total=total, completed=done, note="")
        speed = self._pace.update(part, done)
        self._progress.update(self._tasks[part], completed=done, note=f"{note}  {speed:.1f}/s".strip() if speed else note)


@contextmanager
def reporter(console: Console, quiet: bool) -> Iterator[Reporter]:
    """Yield the reporter that suits ``console``."""
    if quiet:
        yield Reporter()
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console) as progress:
            yield LiveReporter(progress)
    else:
        yield LineReporter()


class _Pace:
    """Speed of a part in steps per second; 0 until it is known."""

    def __init__(self) -> None:
        self._part, self._since = "", (0, 0.0)
        self._begin = self._last = 0  # first and latest step of the part in this process

    def update(self, part: str, done: int) -> float:
        begins = part != self._part or done < self._last  # a second network or set begins again at 0
        # The first step may compile, so the speed is measured from the second.
        if begins or done == self._begin + 1:
            self._begin = done if begins else self._begin
            self._part, self._since = part, (done, time.monotonic())
        self._last = done
        steps, seconds = done - self._since[0], time.monotonic() - self._since[1]
        return steps / seconds if steps and seconds > 0.5 else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class HeadedReporter(Reporter):
    """Reporter that calls ``print_heading`` before it shows progress, so that a rejected run prints only the error."""

    def __init__(self, shown: Reporter, print_heading: Callable[[], None]) -> None:
        self._shown, self._print_heading = shown, print_heading

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        self._print_heading()
        self._shown.show(part, done, total, note)


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


@contextmanager
def stoppable(*, quiet: bool, message: Callable[[Stopped], str] = lambda stopped: "") -> Iterator[Reporter]:
    """Yield a reporter that stops the work after Ctrl-C; then print the message and exit with code 130."""
    errors = plain_console(stderr=True)
    with StopOnSignal() as stop, reporter(errors, quiet) as shown:
        try:
            yield StoppableReporter(shown, stop)
        except Stopped as stopped:
            if text := message(stopped):
                errors.print(text)
            raise SystemExit(INTERRUPTED) from None
