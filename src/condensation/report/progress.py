"""Progress of a run: a live bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from condensation.methods.loop import StepInfo, Stopped

READING = "reading images"
READING_DELAY = 2.0  # seconds of reading before the first line about it; reading from the cache takes less


class Reporter:
    """Receives the progress of each part of a run and shows nothing; subclasses override `show`.

    `condensing` is an observer of `condense`; the others are ``on_progress`` callbacks of `load`, `train` and `evaluate`.
    """

    def reading(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` images are read."""
        self.show(READING, done, total)

    def condensing(self, info: StepInfo) -> None:
        """Show the step and its loss."""
        self.show(*info.phase, "" if info.loss is None else f"loss {info.loss:.4g}")

    def training(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` epochs of training a pool or a proxy are done."""
        self.show("training", done, total)

    def evaluating(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` epochs of evaluation are done."""
        self.show("evaluating", done, total)

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` steps of ``part`` are done."""


class LineReporter(Reporter):
    """Prints a line when a part begins and ends, and one every ``every`` seconds, on standard error."""

    def __init__(self, every: float = 15.0) -> None:
        self.every = every
        self._last = 0.0
        self._reading_since = 0.0
        self._pace = _Pace()

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if part == READING:
            self._reading_since = self._reading_since or now
            if now - self._reading_since <= READING_DELAY:
                return
        if not total:
            return
        speed, left = self._pace.update(part, done, total)
        if done == total or now - self._last >= self.every:
            self._last = now
            pace = f"{speed:.1f}/s  {_clock(left)} left" if speed else ""
            print("  ".join(filter(None, (f"{part} {done:,}/{total:,}", note, pace))), file=sys.stderr, flush=True)


class LiveReporter(Reporter):
    """Draws a progress bar with loss, speed and time left for each part."""

    def __init__(self, progress: Progress) -> None:
        self._pace, self._progress = _Pace(), progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        if not total:
            return
        if part not in self._tasks:
            for task in self._tasks.values():  # a part begins when those before it are done
                self._progress.update(task, completed=self._progress.tasks[task].total)
            # The steps before a resume don't count towards the speed.
            self._tasks[part] = self._progress.add_task(part, total=total, completed=done, note="")
        speed, _ = self._pace.update(part, done, total)
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
    """Steps per second since a part began, and the seconds left."""

    def __init__(self) -> None:
        self._part = ""
        self._begin = 0  # first step of the part in this process
        self._since = (0, 0.0)

    def update(self, part: str, done: int, total: int) -> tuple[float, float]:
        # The first step may compile, so the speed is measured from the second.
        if part != self._part or done == self._begin + 1:
            self._begin = done if part != self._part else self._begin
            self._part, self._since = part, (done, time.monotonic())
        steps, seconds = done - self._since[0], time.monotonic() - self._since[1]
        speed = steps / seconds if steps and seconds > 0.5 else 0.0
        return speed, (total - done) / speed if speed else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class HeadedReporter(Reporter):
    """Prints ``lines`` once before the first progress, so that a refused run prints nothing but the error."""

    def __init__(self, shown: Reporter, screen: Console | None, lines: Sequence[str]) -> None:
        self._shown, self._screen, self._lines = shown, screen, list(lines)

    def print_heading(self) -> None:
        """Print the lines unless they are printed already."""
        lines, self._lines = self._lines, []
        for line in lines if self._screen else []:
            self._screen.print(line, highlight=False)  # type: ignore[union-attr]

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        self.print_heading()
        self._shown.show(part, done, total, note)


class StopOnSignal:
    """Turns Ctrl-C and SIGTERM into a stop between two steps, after which the state is saved.

    A second Ctrl-C ends the program at once; the last saved state remains.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, object] = {}

    def check(self, *_: object) -> None:
        """Raise `Stopped` after a signal; usable as an observer and as an ``on_progress``."""
        if self._asked:
            raise Stopped("stopped on request")

    def __enter__(self) -> StopOnSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        print("\nStopping after this step. Press Ctrl-C again to stop at once with the last saved state.", file=sys.stderr, flush=True)


class StoppableReporter(Reporter):
    """Shows progress, then raises `Stopped` if a signal asked for it."""

    def __init__(self, shown: Reporter, stop: StopOnSignal) -> None:
        self._shown, self._stop = shown, stop

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        self._shown.show(part, done, total, note)
        self._stop.check()
