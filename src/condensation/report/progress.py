"""What is shown while a run goes on: a live bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from condensation.methods.loop import StepInfo, Stopped

WORTH_SAYING = 2.0  # seconds that reading takes before a line tells of it: from the cache it takes less


class Reporter(Protocol):
    """Shows how far a run is: an ``on_progress`` of `load`, an observer of `condense`, and an ``on_progress`` of `evaluate`."""

    def reading(self, done: int, total: int) -> None: ...

    def condensing(self, moment: StepInfo) -> None: ...

    def judging(self, done: int, total: int) -> None: ...

    def __enter__(self) -> Reporter: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Silent:
    """Shows nothing."""

    def reading(self, done: int, total: int) -> None:
        pass

    def condensing(self, moment: StepInfo) -> None:
        pass

    def training(self, done: int, total: int) -> None:
        pass

    def judging(self, done: int, total: int) -> None:
        pass

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


class LineReporter(Silent):
    """One line at the start of each part, then one every ``every`` seconds, on standard error."""

    def __init__(self, every: float = 15.0) -> None:
        self.every = every
        self._last = 0.0
        self._reading_since = 0.0
        self._pace = _Pace()

    def reading(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._reading_since = self._reading_since or now
        if now - self._reading_since > WORTH_SAYING:
            self._say("reading images", done, total, "")

    def condensing(self, moment: StepInfo) -> None:
        self._say(*moment.part, "" if moment.loss is None else f"  loss {moment.loss:.4g}")

    def training(self, done: int, total: int) -> None:
        self._say("training", done, total, "")

    def judging(self, done: int, total: int) -> None:
        self._say("judging", done, total, "")

    def _say(self, part: str, done: int, total: int, more: str) -> None:
        if not total:
            return
        speed, left = self._pace.update(part, done, total)
        if done == total or time.monotonic() - self._last >= self.every:
            self._last = time.monotonic()
            ahead = f"  {speed:.1f}/s  {_clock(left)} left" if speed else ""
            print(f"{part} {done:,}/{total:,}{more}{ahead}", file=sys.stderr, flush=True)


class Live(Silent):
    """A rich progress bar with loss, speed and time left."""

    def __init__(self, console: Console) -> None:
        self._pace = _Pace()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def reading(self, done: int, total: int) -> None:
        self._show("reading images", done, total, "")

    def condensing(self, moment: StepInfo) -> None:
        if moment.part[0] not in self._tasks:
            for begun in self._tasks.values():  # a part of a run comes when those before it are done
                self._progress.update(begun, completed=self._progress.tasks[begun].total)
        self._show(*moment.part, "" if moment.loss is None else f"loss {moment.loss:.4g}")

    def judging(self, done: int, total: int) -> None:
        self._show("judging", done, total, "")

    def _show(self, part: str, done: int, total: int, note: str) -> None:
        if not total:
            return
        if part not in self._tasks:
            # A run that goes on must not count the steps of its first part into its speed.
            self._tasks[part] = self._progress.add_task(part, total=total, completed=done, note="")
        speed, _ = self._pace.update(part, done, total)
        shown = f"{note}  {speed:.1f}/s" if speed else note
        self._progress.update(self._tasks[part], completed=done, note=shown.strip())

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()


def reporter(console: Console, quiet: bool) -> Reporter:
    """What suits where the output goes."""
    if quiet:
        return Silent()
    return Live(console) if console.is_terminal else LineReporter()


class _Pace:
    """Steps a second since the part began, and seconds left."""

    def __init__(self) -> None:
        self._part = ""
        self._begin = 0  # the step at which the part began, perhaps not its first
        self._start = (0, 0.0)

    def update(self, part: str, done: int, total: int) -> tuple[float, float]:
        # The first step may compile, and says nothing about those that follow.
        if part != self._part or done == self._begin + 1:
            self._begin = done if part != self._part else self._begin
            self._part, self._start = part, (done, time.monotonic())
        steps, seconds = done - self._start[0], time.monotonic() - self._start[1]
        speed = steps / seconds if steps and seconds > 0.5 else 0.0
        return speed, (total - done) / speed if speed else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Heading:
    """Says its ``lines`` once, before the first progress of any kind: what is refused before then is not announced."""

    def __init__(self, screen: Console | None, lines: Sequence[str]) -> None:
        self._screen, self._lines = screen, list(lines)

    def __call__(self, *_: object) -> None:
        lines, self._lines = self._lines, []
        if self._screen:
            for line in lines:
                self._screen.print(line, highlight=False)

    def before(self, show: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """An ``on_progress`` that says the lines, then shows how far it is."""

        def shown(done: int, total: int) -> None:
            self()
            show(done, total)

        return shown


class StopOnSignal:
    """Turns Ctrl-C and a polite kill into a stop between two steps, after which the state is kept.

    A second Ctrl-C ends the program at once; what was kept before then stays.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, object] = {}

    def check(self, *_: object) -> None:
        """Stop here if it was asked for; fits as an observer and as an ``on_progress``."""
        if self._asked:
            raise Stopped("stopped on request")

    def after(self, show: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """An ``on_progress`` that shows how far it is, then stops if that was asked for."""

        def shown(done: int, total: int) -> None:
            show(done, total)
            self.check()

        return shown

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
        print("\nStopping after this step; once more stops at once, at the last state that was kept.", file=sys.stderr, flush=True)
