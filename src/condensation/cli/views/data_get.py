"""What ``condense data get`` prints: the terms of the data set, how far it is, where it is."""

from __future__ import annotations

import time
from contextlib import nullcontext

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from condensation.core.memory import readable
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.download import already, get, order

EVERY = 15.0  # seconds between two lines where there is no terminal


def data(name: str, folder: str | None, mirror: str | None, *, quiet: bool) -> None:
    """``condense data get``."""
    screen, errors = Console(soft_wrap=True, quiet=quiet, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)
    info = DATASETS.get(known_name(name) or "")
    if info is not None and info.embedded:
        return screen.print(f"{name} comes with the package: there is nothing to get.", markup=False)
    wanted = order(name, folder, mirror)
    place = already(wanted, folder)
    if place is not None and place != wanted.folder:
        return screen.print(f"{wanted.name} is here: {place}. Nothing is got.", markup=False)
    about = DATASETS[wanted.name]
    if place is None:
        screen.print(f"{about.title}: {readable(wanted.remote.size)} from {wanted.base}", markup=False)
        screen.print(f"Terms: {about.licence}. Origin: {about.origin}.", markup=False)
    bar = None if quiet or not errors.is_terminal else _bar(errors)
    with bar or nullcontext():
        get(wanted, Bar(bar) if bar else DownloadLines(errors, quiet))
    said = "is here, and whole" if place else "is here now"
    return screen.print(f"{wanted.name} {said}: {wanted.folder}", markup=False)


class Bar:
    """A live bar for each file."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, file: str, done: int, total: int | None) -> None:
        if file not in self._tasks:
            self._tasks[file] = self._progress.add_task(file, total=total)
        self._progress.update(self._tasks[file], completed=done, total=total)


class DownloadLines:
    """A line when a file begins, one every `EVERY` seconds, and one when it has come."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._last: dict[str, float] = {}

    def __call__(self, file: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._quiet or (file in self._last and done != total and now - self._last[file] < EVERY):
            return
        self._last[file] = now
        of_total = "" if total is None else f" of {readable(total)}"
        self._console.print(f"{file}: {readable(done)}{of_total}", markup=False)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=console
    )
