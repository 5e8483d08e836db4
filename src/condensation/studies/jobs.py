"""Many runs in sequence, each in its own folder: finished runs are kept, and a failed run does not stop the others."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.errors import CondensationError
from condensation.core.lock import LOCK, remove_free
from condensation.core.memory import is_out_of_memory
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress, Progress
from condensation.core.records import read_record
from condensation.core.rng import Rng
from condensation.core.storage import write_json
from condensation.core.user_code import user_error_message
from condensation.data.dataset import Data
from condensation.methods.generative import GenerativeMethod
from condensation.methods.loop import Observer, Stopped
from condensation.runs.files import CHECKPOINT, SETTINGS
from condensation.runs.folder import check_folder, is_finished
from condensation.runs.run import run
from condensation.runs.settings import RunSettings

FAILURES = "failures.json"
FINISHED, FAILED, BEGUN, TO_DO = "finished", "failed", "begun", "to do"


@dataclass(frozen=True)
class Job:
    """A run of a study."""

    name: str  # name of its folder inside that of the study's runs
    title: str
    settings: RunSettings


@dataclass(frozen=True)
class Failure:
    """Error of a job, as ``failures.json`` keeps it."""

    reason: str  # one line
    traceback: str = ""


Failures = dict[str, Failure]  # failed jobs by name
OnJob = Callable[[int, int, str, str], None]  # called before each job: its number from 1, the number of jobs, its title and its state


@dataclass(frozen=True)
class Watch:
    """Callbacks of a study; an observer or a progress callback may raise `Stopped`, after which the study can be resumed."""

    on_job: OnJob | None = None
    observers: Sequence[Observer] = ()  # called after each step of condensing
    on_progress: OnProgress | None = None  # progress of an evaluation
    on_reading: OnProgress | None = None  # progress of reading images
    on_training: OnProgress | None = None  # progress of training the networks of a pool
    checkpoint_every: float = EVERY_SECONDS  # seconds between two checkpoints

    def begin(self, number: int, count: int, title: str, state: str) -> None:
        """Report that a job begins."""
        if self.on_job:
            self.on_job(number, count, title, state)


def state(job: Job, folder: Path, failures: Mapping[str, Failure]) -> str:
    """Return the state of ``job`` among the runs in ``folder``."""
    place = folder / job.name
    if (place / SETTINGS).exists() and is_finished(place, to_dict(job.settings)):
        return FINISHED
    if job.name in failures:
        return FAILED
    return BEGUN if _has_begun(place) else TO_DO


def file_state(path: Path, name: str, failures: Mapping[str, Failure]) -> str:
    """Return the state of the job ``name``, which writes a single file."""
    return FINISHED if path.exists() else FAILED if name in failures else TO_DO


def failures_in(folder: Path) -> Failures:
    """Return the jobs in ``folder`` that failed and have not succeeded since."""
    path = folder / FAILURES
    return read_record(path, Failures) if path.exists() else {}


def claim_all(jobs: Sequence[Job], folder: Path) -> None:
    """Raise CondensationError if a folder holds another run."""
    for job in jobs:
        check_folder(folder / job.name, to_dict(job.settings), _has_begun(folder / job.name))


def check_all(jobs: Sequence[Job], data: Data) -> None:
    """Raise CondensationError if ipc or networks do not fit the data."""
    for job in jobs:
        job.settings.ipc_of(data.train)
        job.settings.evaluation.check(data)
        network = job.settings.method.network
        if network is not None:
            network.build(data.train.shape, data.train.num_classes, Rng(0))


def run_jobs(jobs: Sequence[Job], folder: Path, data: Data, watch: Watch = Watch(), count: int | None = None, first: int = 1) -> Failures:
    """Run what is missing of ``jobs`` on ``data`` and return those that failed.

    A job that has begun is resumed; one that failed is run again. The callbacks see jobs from ``first`` to ``count``, by default that
    of ``jobs``. Raise Stopped if a callback did; finished work is kept.
    """
    failures = failures_in(folder)
    for number, job in enumerate(jobs, first):
        before = state(job, folder, failures)
        watch.begin(number, count or len(jobs), job.title, before)
        if before == FINISHED:
            remove_free(folder / job.name / LOCK)
            if job.name not in failures:
                continue
        work = partial(run, job.settings, folder / job.name, resume=_has_begun(folder / job.name), data=data, observers=watch.observers)
        callbacks = {
            "progress": Progress(training=watch.on_progress, evaluating=watch.on_progress),
            "checkpoint_every": watch.checkpoint_every,
        }
        failure = None if before == FINISHED else attempt(partial(work, generator=generator_for(job, jobs, folder), **callbacks))
        record_failure(folder, failures, job.name, failure)
    return {job.name: failures[job.name] for job in jobs if job.name in failures}


def attempt(work: Callable[[], object]) -> Failure | None:
    """Call ``work`` and return its failure, or None; Stopped is no failure and passes through."""
    try:
        work()
    except Stopped:
        raise
    except Exception as error:
        return Failure(reason_of(error), traceback.format_exc())
    finally:
        if torch.cuda.is_available():  # a job that ran out of memory must not starve the next
            torch.cuda.empty_cache()
    return None


def record_failure(folder: Path, failures: Failures, name: str, failure: Failure | None) -> None:
    """Update ``failures`` and their file in ``folder``, which exists while a job fails; None means that the job ``name`` succeeded."""
    before = dict(failures)
    failures.pop(name, None)
    if failure:
        failures[name] = failure
    if not failures:
        (folder / FAILURES).unlink(missing_ok=True)
    elif failures != before:
        write_json(folder / FAILURES, {name: asdict(failure) for name, failure in failures.items()})


def generator_for(job: Job, jobs: Sequence[Job], folder: Path) -> Path | None:
    """Return the generator of another job that differs from ``job`` in ipc or evaluation alone; None if there is none."""
    if not isinstance(job.settings.method, GenerativeMethod):
        return None

    def decisive(settings: RunSettings) -> tuple[object, ...]:
        return settings.data, settings.method, settings.seed

    others = [other for other in jobs if other.name != job.name and decisive(other.settings) == decisive(job.settings)]
    return next((path for other in others if (path := folder / other.name / GENERATOR).exists()), None)


def reason_of(error: Exception) -> str:
    """Return the reason of a failure in one line."""
    if is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, CondensationError):
        return error.message.splitlines()[0]
    return " ".join((user_error_message(error) or f"{type(error).__name__}: {error}").splitlines())


def _has_begun(place: Path) -> bool:
    return any((place / name).exists() for name in (CHECKPOINT, SET))
