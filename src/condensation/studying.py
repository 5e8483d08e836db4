"""What the commands of the studies do and print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from condensation.checkpoint import EVERY_SECONDS
from condensation.condensing import Moment, Stopped
from condensation.console import INTERRUPTED
from condensation.report.progress import Lines, Silent, StopOnSignal
from condensation.report.tables import print_json, table
from condensation.runs import RunSettings, describe
from condensation.studies.cells import Cell
from condensation.studies.jobs import FINISHED, Job, Watch, failures_in, state
from condensation.studies.pages import COLUMNS, MARKDOWN, PICTURE, as_json, lines, notes, title, write_table
from condensation.studies.table import RUNS, SETTINGS, TableSettings, jobs_of, run_table, settings_in

SOME_FAILED = 1  # the exit code where a table is done but for jobs that failed


@dataclass(frozen=True)
class Show:
    """What is printed, and how often a state is kept meanwhile."""

    quiet: bool = False
    as_json: bool = False
    checkpoint_every: float | None = None


def make_table(settings: TableSettings, out: Path, how: Show) -> None:
    """``condense table``: do what is missing, then print the table. The exit code is 1 if a job failed."""
    errors = Console(stderr=True, soft_wrap=True)
    settings = replace(settings, compute=settings.compute.chosen())
    talk = not how.quiet and not how.as_json
    if talk:
        errors.print(f"on {settings.compute.describe()}", highlight=False)
    progress = JobLines(talk)
    with StopOnSignal() as stop:
        try:
            failed = run_table(settings, out, progress.watch(stop, how.checkpoint_every))
        except Stopped:
            if (out / SETTINGS).exists():
                write_table(settings, out)
            said = f"\nStopped; nothing that was done is lost.\nGo on with the same command{_or_by_folder(out)}."
            errors.print(said, markup=False, highlight=False)
            raise SystemExit(INTERRUPTED) from None
    report_table(out, how)
    if failed:
        errors.print(f"{len(failed)} of {len(jobs_of(settings))} jobs failed; the same command tries them again.", highlight=False)
        raise SystemExit(SOME_FAILED)


def report_table(folder: Path, how: Show) -> None:
    """``condense table FOLDER``: print the table again, from what is there."""
    settings = settings_in(folder)
    found = write_table(settings, folder)
    if how.as_json:
        return print_json(as_json(settings, found, folder))
    screen = Console(soft_wrap=True)
    _print_table(screen, settings, found)
    for line in notes(settings, found, folder):
        screen.print(line, highlight=False, markup=False)
    missing = sum(cell.sets - len(cell.values) - len(cell.failed) for cell in found)
    if missing:
        said = f"{missing} of {len(jobs_of(settings))} sets are not there yet. Go on: {_go_on(folder)}"
        screen.print(said, highlight=False, markup=False)
    if not how.quiet:
        screen.print(f"Picture: {folder / PICTURE}\nTable:   {folder / MARKDOWN}\nRuns:    {folder / RUNS}", markup=False, highlight=False)
    return None


def list_jobs(settings: TableSettings, out: Path, *, as_json: bool) -> None:
    """``condense table --dry-run``: what would be done."""
    jobs, runs = jobs_of(settings), out / RUNS
    failures = failures_in(runs)
    listed = [(job, state(job, runs, failures)) for job in jobs]
    if as_json:
        return print_json([{"run": str(runs / job.name), "job": job.title, "state": how} for job, how in listed])
    screen = Console(soft_wrap=True)
    for number, (job, how) in enumerate(listed, 1):
        screen.print(f"{number:>4}  {how:<8}  {job.title}: {_work(job.settings)}", highlight=False, markup=False)
    left = sum(how != FINISHED for _, how in listed)
    screen.print(f"{left} of {len(jobs)} jobs are to be done, in {runs}.", highlight=False, markup=False)
    return None


class JobLines:
    """Plain lines on standard error: which job of how many, and how far it is."""

    def __init__(self, talk: bool) -> None:
        self._talk = talk
        self._lines: Silent = Lines() if talk else Silent()

    def watch(self, stop: StopOnSignal, checkpoint_every: float | None) -> Watch:
        """Tell of all that happens, and stop where ``stop`` was asked to."""
        return Watch(
            on_job=lambda number, count, job, how: self._begin(stop, number, count, job, how),
            observers=[lambda moment: self._condensing(moment), stop.check],
            on_progress=stop.after(lambda done, total: self._lines.judging(done, total)),
            on_reading=stop.after(lambda done, total: self._lines.reading(done, total)),
            checkpoint_every=EVERY_SECONDS if checkpoint_every is None else checkpoint_every,
        )

    def _begin(self, stop: StopOnSignal, number: int, count: int, job: Job, how: str) -> None:
        stop.check()
        if self._talk:
            self._lines = Lines()  # a job's speed is not that of the one before
            print(f"[{number} of {count}] {job.title}: {how}", file=sys.stderr, flush=True)

    def _condensing(self, moment: Moment) -> None:
        self._lines.condensing(moment)


def _print_table(screen: Console, settings: TableSettings, found: Sequence[Cell]) -> None:
    screen.print(f"[bold]{escape(title(settings))}[/]")
    rows = table(*COLUMNS, right=("ipc", "ours", "published", "difference"))
    for line, cell in zip(lines(found), found, strict=True):
        last = cell.label == settings.rows[-1].label
        rows.add_row(*map(escape, line), end_section=last)
    screen.print(rows)


def _work(settings: RunSettings) -> str:
    evaluation = settings.evaluation
    return f"{describe(settings)}; {evaluation.networks} networks of {evaluation.recipe.epochs:,} epochs"


def _go_on(folder: Path) -> str:
    return f"condense table --config {shlex.quote(str(folder / SETTINGS))} --out {shlex.quote(str(folder))}"


def _or_by_folder(folder: Path) -> str:
    return f", or: {_go_on(folder)}" if (folder / SETTINGS).exists() else ""
