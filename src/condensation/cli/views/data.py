"""Printed form of ``condense data`` and ``condense data get``."""

import time
from contextlib import nullcontext

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from condensation.core.memory import readable
from condensation.core.plain import to_dict
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.download import download_dataset, local_copy, plan_download
from condensation.data.locate import list_datasets
from condensation.report.tables import plain_console, print_json, table

EVERY = 15.0  # seconds between two lines without a terminal


def list_data(folder: str | None, *, as_json: bool) -> None:
    """Run ``condense data``."""
    listings = list_datasets(folder)
    if as_json:
        return print_json([to_dict(listing) for listing in listings])
    rows = table("data set", "title", "classes", "image", "terms", "path")
    for listing in listings:
        info = listing.info
        about = (info.title, str(info.classes), "x".join(map(str, info.shape)), info.licence) if info else ("", "", "", "")
        rows.add_row(listing.name, *about, listing.where or "-")
    screen = plain_console()
    screen.print(rows, soft_wrap=False)
    screen.print("To download a data set without a path: condense data get NAME")
    return screen.print("Your own: a folder with one sub-folder per class, or NAME/{train,test}.npz below --folder or CONDENSATION_DATA.")


def get_data(name: str, folder: str | None, mirror: str | None, *, quiet: bool) -> None:
    """Run ``condense data get``."""
    screen, errors = plain_console(), plain_console(stderr=True)
    screen.quiet = quiet
    info = DATASETS.get(known_name(name) or "")
    if info is not None and info.bundled:
        return screen.print(f"{name} comes with the package; there is nothing to download.")
    plan = plan_download(name, folder, mirror)
    path = local_copy(plan, folder)
    if path is not None and path != plan.folder:
        return screen.print(f"{plan.name} is already here: {path}")
    if path is None:
        info = DATASETS[plan.name]
        screen.print(f"{info.title}: {readable(plan.remote.size)} from {plan.base}")
        screen.print(f"Terms: {info.licence}. Origin: {info.origin}.")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = None if quiet or not errors.is_terminal else Progress(*columns, console=errors)
    with bar or nullcontext():
        download_dataset(plan, DownloadBar(bar) if bar else DownloadLines(errors, quiet))
    return screen.print(f"{plan.name} is {'complete' if path else 'downloaded'}: {plan.folder}")


class DownloadBar:
    """Observer of a download that draws a live bar for each file."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._tasks = progress, dict[str, TaskID]()

    def __call__(self, file: str, done: int, total: int | None) -> None:
        if file not in self._tasks:
            self._tasks[file] = self._progress.add_task(file, total=total)
        self._progress.update(self._tasks[file], completed=done, total=total)


class DownloadLines:
    """Observer of a download that prints a line when a file begins, every `EVERY` seconds, and when it is complete."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console, self._quiet, self._last = console, quiet, dict[str, float]()

    def __call__(self, file: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._quiet or (file in self._last and done != total and now - self._last[file] < EVERY):
            return
        self._last[file] = now
        self._console.print(f"{file}: {readable(done)}" + ("" if total is None else f" of {readable(total)}"))
