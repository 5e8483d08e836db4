"""Work and printed form of the commands of the studies."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condensation.cli.options import ResultOutput
from condensation.cli.views.plan import duration, need_line
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.plain import to_dict
from condensation.core.text import counted, in_line
from condensation.core.trust import Trust, given_names
from condensation.methods.step_info import Stopped
from condensation.report.progress import LineReporter, Reporter
from condensation.report.stopping import INTERRUPTED, StopOnSignal, StoppableReporter
from condensation.report.tables import plain_console, print_json, table
from condensation.runs.settings import RunSettings, describe
from condensation.studies.estimate import plan_study
from condensation.studies.jobs import state
from condensation.studies.pace import START
from condensation.studies.paper import write_paper
from condensation.studies.schedule import workers_of
from condensation.studies.study import Study
from condensation.studies.study_folder import SETTINGS
from condensation.studies.tasks import FINISHED, Watch, failures_in
from condensation.studies.where import parse_executor

SOME_FAILED = 1  # the exit code of a study with failed jobs


def make_study(
    study: Study[Any], settings: Any, out: Path, output: ResultOutput, formats: Sequence[str] = (), on: str | None = None, **options: Any
) -> None:
    """Run what is missing in ``out``, then print the report and write it in ``formats`` for a paper; the exit code is 1 if a task failed.

    The tasks are done by the executor ``on``; the ``options`` go to the study.
    """
    if output.talks:
        plain_console(stderr=True).print(f"on {settings.compute.describe()}")
    with StopOnSignal() as stop:
        try:
            failures = study.run(settings, out, JobReporter(output.talks).watch(stop, output), on, **options)
        except Stopped:
            also = f", or: {resume_command(study.name, out, settings)}" if (out / SETTINGS).exists() else ""
            plain_console(stderr=True).print(f"\nStopped; finished work is kept.\nResume with the same command{also}.")
            raise SystemExit(INTERRUPTED) from None
    given = given_names(to_dict(settings))
    print_study(study, out, output, given, formats)
    if failures:
        jobs = study.read(out, trust=given).jobs
        count = f"{len(failures)} of {counted(jobs, 'job')}" if jobs else counted(len(failures), "job")
        plain_console(stderr=True).print(f"{count} failed; the same command tries again.")
        raise SystemExit(SOME_FAILED)


def print_study(study: Study[Any], folder: Path, output: ResultOutput, trust: Trust, formats: Sequence[str] = ()) -> None:
    """Print the report of the study in ``folder``, which stays as it is but for files in ``formats`` for a paper."""
    report = study.read(folder, trust=trust)
    paper = write_paper(report, folder, formats)
    if output.as_json:
        return print_json(report.json)
    screen, shown = plain_console(), report.screen_columns
    screen.print(report.title, style="bold")
    columns = report.columns[:shown]
    rows = table(*columns, right=[column for column in columns if column not in report.text_columns])
    for number, row in enumerate(report.rows):
        rows.add_row(*row[:shown], end_section=bool(report.sections) and report.sections[number])
    screen.print(rows)
    for block in report.blocks:
        screen.print(f"{block.title}:")
        rows = table(*block.columns, right=[column for column in block.columns if column not in block.text_columns])
        for row in block.rows:
            rows.add_row(*row)
        screen.print(rows)
    for line in report.notes:
        screen.print(line)
    if report.missing:
        screen.print(f"Missing: {report.missing}. Resume with: {resume_command(study.name, folder, report.json['settings'])}")
    if not output.quiet:
        for line in report.screen_notes:
            screen.print(line)
        places = {label: folder / name for label, name in report.places.items() if (folder / name).exists()}
        places |= {f"For a paper ({path.name})": path for path in paper}
        width = max(map(len, places), default=0) + 2
        for label, path in places.items():
            screen.print(f"{label + ':':<{width}}{path}")
    return None


def list_jobs(study: Study[Any], settings: Any, out: Path, output: ResultOutput, on: str | None = None) -> None:
    """Print the runs of a study with their states, and what they will take, without running any; as JSON the runs alone."""
    runs = out / study.runs
    failures, jobs = failures_in(runs), study.jobs(settings, out)
    listed = [(job, state(job, runs, failures)) for job in jobs]
    if output.as_json:
        return print_json([{"run": str(runs / job.name), "job": job.title, "state": reached} for job, reached in listed])
    screen, plan = plain_console(), plan_study(study, settings, out)  # data that do not exist are refused first
    for number, (job, reached) in enumerate(listed, 1):
        screen.print(f"{number:>4}  {reached:<8}  {job.title}: {_describe(job.settings)}")
    left = sum(reached != FINISHED for _, reached in listed)
    if jobs:
        screen.print(f"{left} of {counted(len(jobs), 'job')} to do, in {runs}.")
    elif not plan.parts:
        screen.print(f"Nothing is left to do in {out}.")
    if plan.parts:
        known = sum(seconds for _, seconds in plan.parts if seconds is not None)
        screen.print(f"Here, by short trials: {'; '.join(f'{text}: {duration(seconds)}' for text, seconds in plan.parts)}.")
        about = "At least" if any(seconds is None for _, seconds in plan.parts) else "About"
        screen.print(f"{about} {duration(known)} in all, in one process. {need_line(plan)}")
        if on and (workers := workers_of(parse_executor(on))) > 1:
            there = START + known / workers
            advice = "" if there < known else " This process is faster, since each of the others takes a while to start."
            screen.print(f"In {workers} processes about {duration(there)}, of which {duration(START)} are for starting them.{advice}")
    return None


class JobReporter(Reporter):
    """Prints lines on standard error: each job with its number, and its progress."""

    def __init__(self, talks: bool) -> None:
        self._talks = talks
        self._lines = LineReporter() if talks else Reporter()

    def show(self, part: str, done: int, total: int, note: str = "") -> None:
        self._lines.show(part, done, total, note)

    def watch(self, stop: StopOnSignal, output: ResultOutput) -> Watch:
        """Return callbacks that show all progress, and stop the study after a signal."""
        shown = StoppableReporter(self, stop)
        checkpoint_every = getattr(output, "checkpoint_every", None)

        def begin(number: int, count: int, title: str, reached: str) -> None:
            stop.check()
            if self._talks:
                self._lines = LineReporter()  # the speed of each job is measured on its own
                print(in_line(f"[{number} of {count}] {title}: {reached}"), file=sys.stderr, flush=True)

        def end(number: int, count: int, title: str, result: str, seconds: float, left: float | None) -> None:
            if self._talks:
                rest = f", about {duration(left)} left" if left and left >= 1 else ""
                print(in_line(f"[{number} of {count}] {title}: {result} after {duration(seconds)}{rest}"), file=sys.stderr, flush=True)

        return Watch(
            on_job=begin,
            on_end=end,
            on_tasks=lambda done, total: stop.check(),
            observers=[shown.condensing],
            on_progress=shown.evaluating,
            on_reading=shown.reading,
            on_training=shown.training,
            on_releasing=shown.releasing,
            checkpoint_every=EVERY_SECONDS if checkpoint_every is None else checkpoint_every,
        )


def resume_command(name: str, folder: Path, settings: object) -> str:
    """Return the command that resumes the study in ``folder``."""
    trust = " --trust" if given_names(to_dict(settings)) else ""
    return f"condense {name} --config {shlex.quote(str(folder / SETTINGS))} --out {shlex.quote(str(folder))}{trust}"


def _describe(settings: RunSettings) -> str:
    evaluation = settings.evaluation
    networks = (
        f"; {counted(evaluation.networks, 'network')} of {counted(evaluation.recipe.stated_epochs, 'epoch')}" if evaluation.networks else ""
    )
    return f"{describe(settings)}{networks}"
