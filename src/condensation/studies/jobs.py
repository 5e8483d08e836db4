"""Runs of a study, each in its own folder: finished runs are kept, and a failed run does not stop the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR
from condensation.core.plain import to_dict
from condensation.core.progress import Progress
from condensation.core.rng import Rng
from condensation.data.dataset import Data
from condensation.evaluation.scores import Scores
from condensation.methods.dm import DM
from condensation.methods.generative import GenerativeMethod
from condensation.methods.release import decisive
from condensation.methods.step_info import RELEASE
from condensation.runs.files import CHECKPOINT, SCORES, SETTINGS
from condensation.runs.folder import RunFolder
from condensation.runs.run import RunResult, run
from condensation.runs.settings import RunSettings
from condensation.studies.tasks import BEGUN, FAILED, FINISHED, TO_DO, Failure, Task, Watch


@dataclass(frozen=True)
class Job:
    """A run of a study."""

    name: str  # name of its folder inside that of the study's runs
    title: str
    settings: RunSettings


def state(job: Job, folder: Path, failures: Mapping[str, Failure]) -> str:
    """Return the state of ``job`` among the runs in ``folder``."""
    place = folder / job.name
    if (place / SETTINGS).exists() and RunFolder(place, to_dict(job.settings)).is_finished():
        return FINISHED
    if job.name in failures:
        return FAILED
    return BEGUN if _has_begun(place) else TO_DO


def claim_all(jobs: Sequence[Job], folder: Path) -> None:
    """Raise CondensationError if a folder holds another run."""
    for job in jobs:
        RunFolder(folder / job.name, to_dict(job.settings)).check(_has_begun(folder / job.name))


def check_all(jobs: Sequence[Job], data: Data) -> None:
    """Raise CondensationError if ipc or networks do not fit the data."""
    for job in jobs:
        job.settings.ipc_of(data.train)
        job.settings.evaluation.check(data)
        network = job.settings.method.network
        if network is not None:
            network.build(data.train.shape, data.train.num_classes, Rng(0))


def job_tasks(jobs: Sequence[Job], folder: Path, group: str, data: Callable[[], Data], after: tuple[str, ...] = ()) -> list[Task]:
    """Return the tasks that run ``jobs`` on ``data``, in the folder ``group`` of the study in ``folder``.

    A job that has begun is resumed; one that failed is run again. A job that begins with the generator or the release of another job comes
    after that.
    """
    made: dict[object, str] = {}
    tasks = []
    for job in jobs:
        before = after
        if (shared := _shared(job.settings)) is not None:
            first = made.setdefault(repr(shared), job.name)
            before = after if first == job.name else (*after, f"{group}/{first}")
        place = folder / group
        tasks.append(
            Task(
                name=job.name,
                group=group,
                title=job.title,
                work=partial(run_job, job, jobs, place, data),
                state=partial(state, job, place),
                after=before,
                result=partial(_result, place / job.name / SCORES),
            )
        )
    return tasks


def run_job(job: Job, jobs: Sequence[Job], folder: Path, data: Callable[[], Data], watch: Watch) -> RunResult:
    """Do ``job`` in its folder among ``folder``, or go on with it; one of ``jobs`` may have made its generator or its release."""
    place, shared = folder / job.name, shared_file(job, jobs, folder)
    return run(
        job.settings,
        place,
        resume=_has_begun(place),
        data=data(),
        observers=watch.observers,
        progress=Progress(training=watch.on_training, evaluating=watch.on_progress, releasing=watch.on_releasing),
        checkpoint_every=watch.checkpoint_every,
        generator=None if job.settings.method.is_private else shared,
        release=shared if job.settings.method.is_private else None,
    )


def _result(path: Path) -> str:
    return scores_text(Scores.read(path)) if path.exists() else "finished"


def scores_text(scores: Scores) -> str:
    """Return the mean accuracy of the first set of ``scores``."""
    return f"{np.mean([values for each in scores.sets.values() for values in each.values]):.2f} %"


def shared_file(job: Job, jobs: Sequence[Job], folder: Path) -> Path | None:
    """Return the generator or the release that another job has made and that serves ``job``, too; None if there is none.

    The other job differs in ipc or evaluation or, for a release, in what follows it: no epsilon is spent again on the same images.
    """
    shared = _shared(job.settings)
    if shared is None:
        return None
    others = [other for other in jobs if other.name != job.name and _shared(other.settings) == shared]
    name = RELEASE if job.settings.method.is_private else GENERATOR
    return next((path for other in others if (path := folder / other.name / name).exists()), None)


def _shared(settings: RunSettings) -> tuple[object, ...] | None:
    """Return what decides the generator or the release of a run; None for a run without them."""
    method = settings.method
    if isinstance(method, GenerativeMethod):
        return settings.data, method, settings.seed
    return (settings.data, decisive(method), settings.seed) if isinstance(method, DM) and method.is_private else None


def _has_begun(place: Path) -> bool:
    return any((place / name).exists() for name in (CHECKPOINT, SET))
