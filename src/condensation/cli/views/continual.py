"""What ``condense continual`` does and prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from condensation.cli.options import OutputOptions
from condensation.cli.views.study import carry_out, end, go_on, list_jobs, print_places, print_rows
from condensation.report.tables import print_json
from condensation.studies.continual import report as retention
from condensation.studies.continual.report import write_continual
from condensation.studies.continual.run import run_continual
from condensation.studies.continual.study import MEMORIES, ContinualSettings, continual_in, course_of, jobs_of


def make_continual(settings: ContinualSettings, out: Path, how: OutputOptions) -> None:
    """``condense continual``: do what is missing, then print the curves. The exit code is 1 if something failed."""
    settings = replace(settings, compute=settings.compute.resolve())
    failed = carry_out(
        settings.compute, lambda watch: run_continual(settings, out, watch), out, how, "continual", lambda: write_continual(settings, out)
    )
    report_continual(out, how)
    end(failed)


def list_continual(settings: ContinualSettings, out: Path, how: OutputOptions) -> None:
    """``--dry-run``: the memories to be made; the data are read, since they say which classes there are."""
    jobs = jobs_of(settings, course_of(settings)).values()
    list_jobs(list({job.name: job for job in jobs}.values()), out / MEMORIES, as_json=how.as_json)


def report_continual(folder: Path, how: OutputOptions) -> None:
    """``condense continual FOLDER``: print the curves again, from what is there."""
    settings = continual_in(folder)
    found = write_continual(settings, folder)
    if how.as_json:
        return print_json(retention.as_json(found, folder))
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{escape(retention.title(settings))}[/]")
    print_rows(screen, retention.columns(found), retention.lines(found), retention.columns(found))
    for line in retention.notes(found):
        screen.print(line, highlight=False, markup=False)
    missing = sum(point.orders - len(point.values) for curve in found.curves.values() for point in curve if not point.failed)
    if missing:
        screen.print(f"{missing} points of curves are not there yet. Go on: {go_on('continual', folder)}", highlight=False, markup=False)
    if not how.quiet:
        print_places(screen, folder, {"Picture": retention.PICTURE, "Curves": retention.MARKDOWN, "Memories": MEMORIES})
    return None
