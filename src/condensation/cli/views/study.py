"""What the commands of the studies do and print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from condensation.cli.options import OutputOptions
from condensation.cli.views.stopping import INTERRUPTED
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.compute import Compute
from condensation.core.text import counted
from condensation.methods.loop import Stopped
from condensation.report.progress import LineReporter, Reporter, StopOnSignal, StoppableReporter
from condensation.report.tables import print_json, table
from condensation.runs.run import RunSettings, describe
from condensation.studies.jobs import FINISHED, Job, Watch, failures_in, state
from condensation.studies.study_folder import SETTINGS
from condensation.studies.table.report import COLUMNS, MARKDOWN, PICTURE, as_json, lines, notes, title, write_table
from condensation.studies.table.study import RUNS, TableSettings, jobs_of, run_table, settings_in
from condensation.studies.theory import study as theory
from condensation.studies.theory.figure import stage
from condensation.studies.theory.study import TheorySettings, run_theory, theory_in, write_theory
from condensation.studies.transfer import report as matrices
from condensation.studies.transfer.report import write_transfer
from condensation.studies.transfer.study import SETS, TransferSettings, run_transfer, sets_of, transfer_in

SOME_FAILED = 1  # the exit code where a table is done but for jobs that failed


def make_table(settings: TableSettings, out: Path, how: OutputOptions) -> None:
    """``condense table``: do what is missing, then print the table. The exit code is 1 if a job failed."""
    settings = replace(settings, compute=settings.compute.resolve())
    failed = carry_out(
        settings.compute, lambda watch: run_table(settings, out, watch), out, how, "table", lambda: write_table(settings, out)
    )
    report_table(out, how)
    end(failed, len(jobs_of(settings)))


def report_table(folder: Path, how: OutputOptions) -> None:
    """``condense table FOLDER``: print the table again, from what is there."""
    settings = settings_in(folder)
    found = write_table(settings, folder)
    if how.as_json:
        return print_json(as_json(settings, found, folder))
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{escape(title(settings))}[/]")
    last = [one.ipc != other.ipc for one, other in pairwise(found)] + [True]
    print_rows(screen, COLUMNS, lines(found), ("ipc", "ours", "published", "diff."), last)
    for line in notes(settings, found, folder):
        screen.print(line, highlight=False, markup=False)
    missing = sum(cell.sets - len(cell.values) - len(cell.failed) for cell in found)
    if missing:
        said = f"{missing} of {len(jobs_of(settings))} sets are not there yet. Go on: {go_on('table', folder)}"
        screen.print(said, highlight=False, markup=False)
    if not how.quiet:
        print_places(screen, folder, {"Picture": PICTURE, "Table": MARKDOWN, "Runs": RUNS})
    return None


def list_jobs(jobs: Sequence[Job], runs: Path, *, as_json: bool) -> None:
    """``--dry-run``: what would be done."""
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


class JobReporter(Reporter):
    """Plain lines on standard error: the job, its number and its progress."""

    def __init__(self, talks: bool) -> None:
        self._talks = talks
        self._lines = LineReporter() if talks else Reporter()

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        self._lines.show(part, done, total, note)

    def watch(self, stop: StopOnSignal, checkpoint_every: float | None) -> Watch:
        """Return callbacks that show all progress and stop the study after a signal."""
        shown = StoppableReporter(self, stop)
        return Watch(
            on_job=lambda number, count, title, how: self._begin(stop, number, count, title, how),
            observers=[shown.condensing],
            on_progress=shown.evaluating,
            on_reading=shown.reading,
            on_training=shown.training,
            checkpoint_every=EVERY_SECONDS if checkpoint_every is None else checkpoint_every,
        )

    def _begin(self, stop: StopOnSignal, number: int, count: int, title: str, how: str) -> None:
        stop.check()
        if self._talks:
            self._lines = LineReporter()  # the speed of each job is measured on its own
            print(f"[{number} of {count}] {title}: {how}", file=sys.stderr, flush=True)


def make_transfer(settings: TransferSettings, out: Path, how: OutputOptions) -> None:
    """``condense transfer``: do what is missing, then print the matrix. The exit code is 1 if something failed."""
    settings = replace(settings, compute=settings.compute.resolve())
    made = carry_out(
        settings.compute, lambda watch: run_transfer(settings, out, watch), out, how, "transfer", lambda: write_transfer(settings, out)
    )
    report_transfer(out, how)
    end(made, len(sets_of(settings)) * (1 + len(settings.test)))


def report_transfer(folder: Path, how: OutputOptions) -> None:
    """``condense transfer FOLDER``: print the matrix again, from what is there."""
    settings = transfer_in(folder)
    found = write_transfer(settings, folder)
    if how.as_json:
        return print_json(matrices.as_json(settings, found, folder))
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{escape(matrices.title(settings))}[/]")
    print_rows(screen, matrices.columns(settings, found), matrices.lines(found), matrices.columns(settings, found)[1:])
    for line in matrices.notes(settings, found):
        screen.print(line, highlight=False, markup=False)
    missing = sum(cell.sets - len(cell.values) for row in found for cell in row if not cell.failed)
    if missing:
        screen.print(f"{missing} cells are not there yet. Go on: {go_on('transfer', folder)}", highlight=False, markup=False)
    if not how.quiet:
        print_places(screen, folder, {"Picture": matrices.PICTURE, "Matrix": matrices.MARKDOWN, "Sets": SETS})
    return None


def make_theory(settings: TheorySettings, out: Path, how: OutputOptions) -> None:
    """``condense theory``: measure what is missing, then print it."""
    settings = replace(settings, compute=settings.compute.resolve())
    carry_out(settings.compute, lambda watch: run_theory(settings, out, watch), out, how, "theory", lambda: write_theory(out))
    report_theory(out, how)


def report_theory(folder: Path, how: OutputOptions) -> None:
    """``condense theory FOLDER``: print it again, from what is there."""
    settings = theory_in(folder)
    measured = write_theory(folder)
    if how.as_json:
        return print_json(measured)
    screen = Console(soft_wrap=True)
    head = ("network", "test accuracy, %", "rank correlation", "cosine")
    rows = []
    for one in measured["means"]:
        accuracy = f"{one['accuracy']:.1f}" if "accuracy" in one else "-"
        rows.append((stage(one["after"]), accuracy, f"{one['rank_correlation']:.3f}", f"{one['cosine']:.3f}"))
    print_rows(screen, head, rows, head[1:])
    done = len(measured["networks"])
    said = (
        f"Matching features and matching last-layer gradients, on {done} of {settings.networks} networks, {settings.pairs} pairs of random "
        "subsets each: rank correlation of the two losses, and cosine of their gradients in the pixels. At 1 they are the same."
    )
    screen.print(said, highlight=False, markup=False)
    if done < settings.networks:
        screen.print(f"Go on: {go_on('theory', folder)}", highlight=False, markup=False)
    if not how.quiet and done:
        print_places(screen, folder, {"Picture": theory.PICTURE, "Numbers": theory.JSON})
    return None


def carry_out(
    compute: Compute, work: Callable[[Watch], dict[str, Any]], out: Path, how: OutputOptions, command: str, write: Callable[[], object]
) -> dict[str, Any]:
    """Do ``work`` while telling of it; if it is stopped, write down what is there, say how to go on, and end here."""
    errors = Console(stderr=True, soft_wrap=True)
    talk = how.talks
    if talk:
        errors.print(f"on {compute.describe()}", highlight=False)
    with StopOnSignal() as stop:
        try:
            return work(JobReporter(talk).watch(stop, how.checkpoint_every))
        except Stopped:
            there = (out / SETTINGS).exists()
            if there:
                write()
            said = f"Go on with the same command{f', or: {go_on(command, out)}' if there else ''}."
            errors.print(f"\nStopped; nothing that was done is lost.\n{said}", markup=False, highlight=False)
            raise SystemExit(INTERRUPTED) from None


def end(failed: Mapping[str, Any], jobs: int | None = None) -> None:
    """End with the exit code that says whether something failed, of so many ``jobs`` if that is known."""
    if failed:
        many = f"{len(failed)} of {jobs} jobs" if jobs else counted(len(failed), "job")
        Console(stderr=True, soft_wrap=True).print(f"{many} failed; the same command tries again.", highlight=False)
        raise SystemExit(SOME_FAILED)


def print_places(screen: Console, folder: Path, names: Mapping[str, str]) -> None:
    """Print where in ``folder`` things lie, a line each, by what they are called."""
    width = max(map(len, names)) + 2
    screen.print("\n".join(f"{name + ':':<{width}}{folder / file}" for name, file in names.items()), markup=False, highlight=False)


def print_rows(
    screen: Console, head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], sections: Sequence[bool] = ()
) -> None:
    """Print a table; a line follows each row that ``sections`` says ends one."""
    made = table(*head, right=right)
    for place, row in enumerate(rows):
        made.add_row(*map(escape, row), end_section=bool(sections) and sections[place])
    screen.print(made)


def _work(settings: RunSettings) -> str:
    evaluation = settings.evaluation
    judging = f"; {evaluation.networks} networks of {evaluation.recipe.epochs:,} epochs" if evaluation.networks else ""
    return f"{describe(settings)}{judging}"


def go_on(command: str, folder: Path) -> str:
    """The command that goes on with the study in ``folder``."""
    return f"condense {command} --config {shlex.quote(str(folder / SETTINGS))} --out {shlex.quote(str(folder))}"
