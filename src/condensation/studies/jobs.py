"""Many runs, one after the other, each in a folder of its own: none is done twice, and one that fails stops no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.errors import CondensationError
from condensation.core.rng import Rng
from condensation.core.storage import read_json, write_json
from condensation.core.user_code import user_error_message
from condensation.data.dataset import Data
from condensation.methods.generative import GenerativeMethod
from condensation.methods.loop import Observer, Stopped
from condensation.runs.run import CHECKPOINT, SETTINGS, RunSettings, claim, is_finished, run
from condensation.training.train_and_test import OnProgress

FAILURES = "failures.json"
FINISHED, FAILED, BEGUN, TO_DO = "finished", "failed", "begun", "to do"


@dataclass(frozen=True)
class Job:
    """A run of a study."""

    name: str  # of its folder, below that of the study's runs
    title: str  # for people
    settings: RunSettings


# Told of each job before it begins: its number from 1, how many there are, its title, and whether it is finished, begun, ...
OnJob = Callable[[int, int, str, str], None]


@dataclass(frozen=True)
class Watch:
    """Who is told how far a study is; an observer or an ``on_progress`` may raise `Stopped`, after which nothing is lost."""

    on_job: OnJob | None = None
    observers: Sequence[Observer] = ()
    on_progress: OnProgress | None = None
    on_reading: OnProgress | None = None
    on_training: OnProgress | None = None  # of networks that are no judges
    checkpoint_every: float = EVERY_SECONDS


def state(job: Job, folder: Path, failures: Mapping[str, Any]) -> str:
    """How far ``job`` is, from what lies in the study's ``folder``."""
    place = folder / job.name
    if (place / SETTINGS).exists() and is_finished(place, job.settings):
        return FINISHED
    if job.name in failures:
        return FAILED
    return BEGUN if _has_begun(place) else TO_DO


def failures_in(folder: Path) -> dict[str, Any]:
    """The jobs that failed and have not been done since: name -> reason."""
    path = folder / FAILURES
    return dict(read_json(path)) if path.exists() else {}


def claim_all(jobs: Sequence[Job], folder: Path) -> None:
    """Find out before the work that a folder holds another run.

    Raises:
        CondensationError: if one does, saying what differs.
    """
    for job in jobs:
        claim(folder / job.name, job.settings, _has_begun(folder / job.name))


def check_all(jobs: Sequence[Job], data: Data) -> None:
    """Find out before the work that ipc or a network, to learn on or to judge by, does not fit the data.

    Raises:
        CondensationError: if so.
    """
    for job in jobs:
        job.settings.ipc_of(data.train)
        job.settings.evaluation.check(data)
        network = job.settings.method.network
        if network is not None:
            network.build(data.train.shape, data.train.num_classes, Rng(0))


def run_jobs(
    jobs: Sequence[Job], folder: Path, data: Data, watch: Watch = Watch(), count: int | None = None, first: int = 1
) -> dict[str, Any]:
    """Do what is missing of ``jobs`` and return what failed, name -> reason.

    A job that is begun goes on from its checkpoint; one that failed before is tried again. What a job raises is written
    down, and the next begins. Whoever watches is told of ``count`` jobs, of which these begin with the ``first``, should there be others.

    Raises:
        Stopped: if someone who watches asked for it; what was done is kept.
    """
    failures = failures_in(folder)
    for number, job in enumerate(jobs, first):
        how = state(job, folder, failures)
        if watch.on_job:
            watch.on_job(number, count or len(jobs), job.title, how)
        if how == FINISHED and job.name not in failures:
            continue
        reason = None if how == FINISHED else attempt(partial(_run, job, folder / job.name, data, watch, generator_for(job, jobs, folder)))
        note_failure(folder, failures, job.name, reason)
    return {job.name: failures[job.name] for job in jobs if job.name in failures}


def attempt(work: Callable[[], object]) -> dict[str, str] | None:
    """Do ``work``; why it failed, or None.

    Raises:
        Stopped: if someone asked for it, which is no failure.
    """
    try:
        work()
    except Stopped:
        raise
    except Exception as error:
        return {"reason": reason_of(error), "traceback": traceback.format_exc()}
    finally:
        if torch.cuda.is_available():  # what a job that ran out of memory held is for the next
            torch.cuda.empty_cache()
    return None


def note_failure(folder: Path, failures: dict[str, Any], name: str, reason: dict[str, str] | None) -> None:
    """Keep in ``folder`` why the job ``name`` failed; None: it did not."""
    before = dict(failures)
    failures.pop(name, None)
    if reason:
        failures[name] = reason
    if failures != before:
        write_json(folder / FAILURES, failures)


def generator_for(job: Job, jobs: Sequence[Job], folder: Path) -> Path | None:
    """What another of ``jobs`` trained that differs from ``job`` in ipc or judging alone; None if ``job`` has to train, or trains none."""
    if not isinstance(job.settings.method, GenerativeMethod):
        return None
    own = _training(job.settings)
    alike = (folder / other.name / GENERATOR for other in jobs if other.name != job.name and _training(other.settings) == own)
    return next((path for path in alike if path.exists()), None)


def _training(settings: RunSettings) -> RunSettings:
    """What decides a generator, with all else made equal."""
    return RunSettings(data=settings.data, method=settings.method, seed=settings.seed)


def _run(job: Job, place: Path, data: Data, watch: Watch, generator: Path | None) -> None:
    run(
        job.settings,
        place,
        resume=_has_begun(place),
        observers=watch.observers,
        on_progress=watch.on_progress,
        checkpoint_every=watch.checkpoint_every,
        data=data,
        generator=generator,
    )


def reason_of(error: Exception) -> str:
    """Why something failed, in a line."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return "out of memory"
    if isinstance(error, CondensationError):
        return str(error).splitlines()[0]
    return " ".join((user_error_message(error) or f"{type(error).__name__}: {error}").splitlines())


def _has_begun(place: Path) -> bool:
    return any((place / name).exists() for name in (CHECKPOINT, SET))
