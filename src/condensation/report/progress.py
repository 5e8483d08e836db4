"""Progress of a run: a live bar on a terminal, occasional lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

from condensation.methods.step_info import StepInfo
from condensation.report.schedule import Schedule

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

    def releasing(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` images are in the sums of a release."""
        self.show("releasing sums", done, total)

    def evaluating(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` epochs of evaluation are done."""
        self.show("evaluating", done, total)

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` steps of ``part`` are done."""

    def compiling(self) -> None:
        """Show that networks are compiled, which may take longer than many steps."""


class LineReporter(Reporter):
    """Reporter that prints a line when a part begins and ends, and one every ``every`` seconds, on standard error.

    With a ``schedule``, the time left is that of the whole run.
    """

    def __init__(self, every: float = 15.0, schedule: Schedule | None = None) -> None:
        self.every, self._pace, self._schedule = every, _Pace(), schedule
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
            left = self._schedule.left if self._schedule and part != READING else (total - done) / speed if speed else None
            pace = "  ".join([*([f"{speed:.1f}/s"] if speed else []), *([f"{clock(left)} left"] if left else [])])
            print("  ".join(filter(None, (f"{part} {done:,}/{total:,}", note, pace))), file=sys.stderr, flush=True)

    def compiling(self) -> None:
        print("compiling ...", file=sys.stderr, flush=True)


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
def reporter(console: Console, quiet: bool, schedule: Schedule | None = None) -> Iterator[Reporter]:
    """Yield the reporter that suits ``console``; with a ``schedule``, it shows one time left for the whole."""
    if quiet:
        yield Reporter() if schedule is None else ScheduledReporter(Reporter(), schedule)
    elif console.is_terminal and schedule:
        with Progress(*WholeReporter.columns(schedule), console=console) as progress:
            yield ScheduledReporter(WholeReporter(progress, schedule), schedule)
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console) as progress:
            yield LiveReporter(progress)
    else:
        yield LineReporter() if schedule is None else ScheduledReporter(LineReporter(schedule=schedule), schedule)


class WholeReporter(Reporter):
    """Reporter that draws one bar for all parts of a run, with the time left of the whole; it moves during long steps, too."""

    def __init__(self, progress: Progress, schedule: Schedule) -> None:
        self._pace, self._progress, self._schedule = _Pace(), progress, schedule
        self._task, self._part = progress.add_task("preparing ...", total=None, note=""), ""

    @staticmethod
    def columns(schedule: Schedule) -> tuple[ProgressColumn, ...]:
        """Return what the bar shows."""
        return (
            TextColumn("{task.description}"),
            ScheduleBar(schedule),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            Left(schedule),
        )

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        if total:
            speed = self._pace.update(part, done)
            notes = f"{note}  {speed:.1f}/s".strip() if speed else note
            # A new part is drawn at once, because its first step may take long.
            self._progress.update(self._task, description=f"{part} {done:,}/{total:,}", note=notes, refresh=part != self._part)
            self._part = part

    def compiling(self) -> None:
        self._progress.update(self._task, description="compiling ...", note="", refresh=True)


class ScheduleBar(ProgressColumn):
    """Bar of the share of the time that has passed."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule

    def render(self, task: Task) -> ProgressBar:
        return ProgressBar(total=1.0, completed=self.schedule.fraction, width=40)


class Left(ScheduleBar):
    """Time left of the whole."""

    def render(self, task: Task) -> Text:  # type: ignore[override]
        left = self.schedule.left
        return Text("" if left is None else f"about {clock(left)} left")


class ScheduledReporter(Reporter):
    """Reporter that keeps the times of all parts in a schedule, and passes them on."""

    def __init__(self, shown: Reporter, schedule: Schedule) -> None:
        self._shown, self._schedule = shown, schedule

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        if part != READING:
            self._schedule.update(part, done, total)
        self._shown.show(part, done, total, note)

    def compiling(self) -> None:
        self._shown.compiling()


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


def clock(seconds: float) -> str:
    """Return a time as ``1:05`` or ``2:01:05``."""
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
