"""Printed form of ``condense run``: progress, scores and suggested commands."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR
from condensation.cli.options import Output
from condensation.cli.pages.places import REPORT
from condensation.cli.pages.report import write_report_of_run
from condensation.cli.views.plan import as_json, expected, need_line, plan_lines, remember_times
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.processors import SHARED, is_shared
from condensation.core.progress import Progress
from condensation.data.catalogue import known_name
from condensation.data.dataset import Data
from condensation.data.summary import read_facts, read_lines
from condensation.methods.step_info import RELEASE, Stopped
from condensation.report.progress import HeadedReporter
from condensation.report.schedule import Schedule
from condensation.report.stopping import stoppable
from condensation.report.tables import data_notes, plain_console, print_json, print_scores
from condensation.report.tracking import TRACKERS
from condensation.runs.advice import below_random, what_to_try
from condensation.runs.estimate import Plan, plan_run
from condensation.runs.files import EVALUATED, GRID, SETTINGS
from condensation.runs.folder import RunFolder
from condensation.runs.private_run import check_private, facts_for_record
from condensation.runs.run import RunResult, run as run_settings
from condensation.runs.run_log import run_log
from condensation.runs.settings import RunSettings, describe
from condensation.training.finished_networks import count_finished
from condensation.training.train import Recipe

if TYPE_CHECKING:
    from condensation.core.team import Team

logger = logging.getLogger(__name__)


def run(
    settings: RunSettings,
    out: Path,
    output: Output,
    *,
    resume: bool,
    checkpoint_every: float | None = None,
    track: str | None = None,
    dry_run: bool = False,
    release: Path | None = None,
    team: Team | None = None,
) -> None:
    """Run ``condense run``; a dry run ends with the plan. In a ``team``, this is its first process."""
    screen = plain_console()
    place = RunFolder(out, to_dict(settings), settings.method)
    place.check(resume)
    finished = place.is_finished()
    processes = f", {team.size} processes" if team else ""
    state = "This run is already finished." if finished else f"on {settings.compute.describe()}{processes}"
    trackers = [TRACKERS[track](out)] if track else []
    started = time.perf_counter()
    # Before the threads of this process run.
    shared = not finished and settings.compute.resolve().device == "cpu" and is_shared(torch.get_num_threads())

    loaded: list[Data] = []
    schedule, plan = Schedule(), Plan((), 0, 0)

    @cache  # prints once
    def print_heading() -> None:
        if output.talks:
            screen.print(f"{settings.data.source}: {describe(settings)}, seed {settings.seed}\n{state}")

    @cache
    def print_data() -> None:
        print_heading()
        if output.talks:
            screen.print(*read_lines(read_facts(loaded[0])), *filter(None, [loaded[0].note]), sep="\n")

    with ExitStack() as stack:
        quiet, message = not output.talks, partial(_stopped_message, out)
        reporter = stack.enter_context(stoppable(quiet=quiet, message=message, schedule=schedule))
        shown = HeadedReporter(reporter, lambda: print_data() if loaded else print_heading())
        if finished:
            print_heading()
        else:
            loaded.append(settings.data.load(shown.reading))
            settings.evaluation.check(loaded[0])
            check_private(settings, loaded[0], release)
            settings.method.validate(loaded[0].train)
        if loaded and (output.talks or dry_run) and not team:  # the times of one process say little about those of several
            done, released = place.steps_done(settings.method.steps), bool(release) or (out / RELEASE).exists()
            plan = plan_run(settings, loaded[0], done, count_finished(out / EVALUATED), released)
            schedule.expect(expected(plan))
        if dry_run:
            return _print_plan(plan, output, print_data if loaded else print_heading, shared)
        if loaded and output.talks and (plan.parts or team):
            print_data()
            screen.print(*plan_lines(plan), *([SHARED] if shared else []), sep="\n")
        if not finished:
            stack.enter_context(run_log(out))
            log_begin(settings, loaded[0])
        result = run_settings(
            settings,
            out,
            resume=resume,
            observers=[*trackers, shown.condensing],
            progress=Progress(shown.reading, shown.training, shown.evaluating, shown.releasing),
            checkpoint_every=EVERY_SECONDS if checkpoint_every is None else checkpoint_every,
            data=loaded[0] if loaded else None,
            release=release,
            team=team,
        )
        if not finished:
            scores = result.scores.sets if result.scores else {}
            logger.info("Finished. %s", "; ".join(f"{name} {score.text}" for name, score in scores.items()))
    remember_times(plan, schedule)
    if not (finished and (out / REPORT).exists()):
        write_report_of_run(out, loaded[0].train if loaded else None)
    if output.as_json:
        return print_json({"folder": str(out), **(result.scores.to_json() if result.scores else {})})
    if output.talks:
        if not finished:
            seconds = time.perf_counter() - started
            took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
            screen.print(f"\nDone; this call took {took}." if resume else f"\nDone in {took}.")
        _print_result(settings, result, loaded[0].note if loaded else None)
    return None


def _print_plan(plan: Plan, output: Output, print_heading: Callable[[], None], shared: bool) -> None:
    """Print what a run would do."""
    if output.as_json:
        return print_json(as_json(plan))
    print_heading()
    lines = [*plan_lines(plan), need_line(plan)] if plan.parts or plan.memory else ["Nothing is left to do."]
    lines += [SHARED] if shared else []
    return plain_console().print(*lines, sep="\n")


def log_begin(settings: RunSettings, data: Data) -> None:
    """Log what a run does, with what and on what."""
    logger.info("Command: %s; condensation %s.", shlex.join(sys.argv), version("condensation"))
    logger.info("%s: %s, seed %s, %s.", settings.data.source, describe(settings), settings.seed, settings.compute.describe())
    for line in read_lines(facts_for_record(settings, data)):
        logger.info(line)


def _print_result(settings: RunSettings, result: RunResult, told: str | None) -> None:
    """Print scores, notes on the data except the one that was ``told`` while reading (None: nothing was read), and suggestions."""
    screen, out = plain_console(), result.folder
    if result.scores:
        print_scores(screen, result.scores)
    if below := below_random(result.scores, to_dict(settings.method)["name"]):
        screen.print(f"\nThis set is less accurate than random images ({below[0]:.1f} % and {below[1]:.1f} %). Try one of:", style="bold")
        screen.print(*(f"  {line}" for line in what_to_try(settings.method)), sep="\n")
    about = result.condensed.card.get("data", {})
    notes = data_notes({**about, "note": str(about.get("note", "")).removeprefix(told or "").strip()}, read=told is not None)
    places = {"Picture": out / GRID, "Set": out / SET, **({"Report": out / REPORT} if (out / REPORT).exists() else {})}
    screen.print(*notes, *(f"{label + ':':<9}{path}" for label, path in places.items()), sep="\n")
    screen.print("\nNext:", style="bold")
    folder, program = shlex.quote(str(out)), shlex.quote(_program())
    for command, purpose in (
        (f"show {folder}", "show the picture and the card again"),
        *([(f"teach {folder}", "train networks on the curriculum of the set")] if "schedule" in result.condensed.card else []),
        *([(f"sample {folder} --ipc 50", "draw more images from the generator")] if (out / GENERATOR).exists() else []),
        *_next_evaluations(settings, result.condensed.images, folder),
        _next_data(settings, result.condensed.images, folder),
    ):
        screen.print(f"  # {purpose}", style="dim")
        screen.print(f"  {program} {command}")


def _next_evaluations(settings: RunSettings, images: ImageSet, folder: str) -> list[tuple[str, str]]:
    """Return the suggested evaluations: those that the set is made for, or that the run has not made."""
    if images.soft_labels and images.soft_labels.loss == "squared":
        return [(f"ridge {folder}", "evaluate by kernel ridge regression, for which the set is made")]
    quick = not settings.evaluation.networks or settings.evaluation.recipe == Recipe.quick()
    published = [(f"evaluate {folder} --evaluate paper", "evaluate as published: more networks, 1,000 epochs")] if quick else []
    return [*published, (f"evaluate {folder} evaluation.network=mlp", "train another network on the set")]


def _next_data(settings: RunSettings, images: ImageSet, folder: str) -> tuple[str, str]:
    """Return the suggested command: a run on the user's own images or, after such a run, an export."""
    if known_name(settings.data.source):
        ipc = settings.ipc if isinstance(settings.ipc, int) else 10
        return f"run --data PATH --ipc {ipc}", "run on your own images, one sub-folder per class"
    form, name = ("npz", "arrays") if images.soft_labels else ("png", "image files")
    return f"export {folder} --to {form}", f"write {name}, with the code that trains on them in plain PyTorch"


def _program() -> str:
    """Return the command as the user can type it: by its path if the shell does not find it."""
    program = Path(sys.argv[0])
    found = program.name != "condense" or not program.exists() or shutil.which("condense")
    return "condense" if found else os.path.relpath(program)


def _stopped_message(out: Path, stopped: Stopped) -> str:
    if not (out / SETTINGS).exists():
        return "\nStopped while reading images; nothing was condensed yet. Run the same command again."
    state = "The set is saved; its evaluation is not." if stopped.step is None else f"The state after step {stopped.step:,} is saved."
    return f"\nStopped. {state}\nContinue with the same command and --resume (the folder is {out})."
