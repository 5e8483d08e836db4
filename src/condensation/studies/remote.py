"""A task as text, which any process that sees the folder of the study can do."""

import importlib
import json
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch

from condensation.config.build import from_dict
from condensation.core.environment import versions
from condensation.core.errors import CondensationError
from condensation.core.lease import leased
from condensation.studies.tasks import FINISHED, Failure, Failures, Task, Watch, attempt, failures_in

JOBS = "jobs"  # folder of leases and of files of engines, inside that of a study
STUDIES = "condensation.studies.registry"  # imported by the worker alone, since it imports the module of studies
PASSED_ON = ("CONDENSATION_DATA", "CONDENSATION_CACHE")  # variables that a worker takes over, unless it has its own
_doing = threading.Lock()  # a process does one task at a time, since threads of PyTorch and the current folder belong to the process


@dataclass(frozen=True, kw_only=True)
class RemoteTask:
    """Text and numbers that describe a task."""

    study: str
    folder: str  # absolute path of the folder of the study, the same on all hosts
    task: str = ""  # key of the task
    settings: str  # settings of the study as JSON; the worker chooses what its device decides
    threads: int = 0  # threads of PyTorch; 0 leaves those of the worker
    checkpoint_every: float = 0.0
    attempt: int = 0  # number of workers lost before
    place: str = "."  # current folder, to which paths in the settings are relative
    version: str = ""  # of this package
    environment: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Outcome:
    """Result of a task: its time, its failure, or the process that does it."""

    seconds: float = 0.0
    work: float = 0.0  # seconds of the processor per thread
    failure: Failure | None = None
    busy: str = ""  # process that does the task at present; empty if the task is done


def version() -> str:
    """Return the version of this package."""
    return str(versions()["condensation"])


def perform(text: str) -> Outcome:
    """Do the `RemoteTask` in ``text``, and return what came of it; its errors become failures."""
    outcomes: list[Outcome] = []
    with _doing:
        failure = attempt(lambda: outcomes.append(_perform(RemoteTask(**json.loads(text)))))
    return outcomes[0] if outcomes else Outcome(failure=failure)


def do(task: Task, folder: Path, watch: Watch, failures: Failures | None = None) -> Outcome:
    """Do ``task`` of the study in ``folder``, unless another process does; errors of a vital task are raised if ``failures`` are given."""
    with leased(lease_of(task, folder)) as holder:
        if holder:
            return Outcome(busy=str(holder))
        started, before = perf_counter(), process_time()

        def ended(failure: Failure | None = None) -> Outcome:
            return Outcome(perf_counter() - started, (process_time() - before) / torch.get_num_threads(), failure)

        if task.state(failures_in(folder / task.group) if failures is None else failures) == FINISHED:  # by another process
            return Outcome()
        if task.vital and failures is not None:
            task.work(watch)
            return ended()
        return ended(attempt(partial(task.work, watch)))


def lease_of(task: Task, folder: Path) -> Path:
    """Return the file of the lease of ``task``."""
    return folder / JOBS / f"{task.group}-{task.name}.lease"


def _perform(request: RemoteTask) -> Outcome:
    folder, host = Path(request.folder), platform.node()
    if request.version != version():
        raise CondensationError(f"{host} has version {version()} of this package; the study has version {request.version}.")
    if not folder.is_dir():
        raise CondensationError(f"{host} does not see the folder {folder}; all hosts must share it.")
    with _at(request.place, request.environment):
        if request.threads:
            torch.set_num_threads(request.threads)
        tasks = _tasks_of(request.study, folder, request.settings)
        return do(tasks[request.task], folder, Watch(checkpoint_every=request.checkpoint_every))


@lru_cache(maxsize=1)
def _tasks_of(name: str, folder: Path, settings: str) -> dict[str, Task]:
    """Return the tasks of a study by key; their data stay in memory, where tasks of the same study follow."""
    study: Any = importlib.import_module(STUDIES).STUDIES[name]
    made = study.tasks(study.on_this_machine(from_dict(study.settings_type, json.loads(settings))), folder, None)
    return {task.key: task for task in made.tasks}


@contextmanager
def _at(place: str, environment: dict[str, str]) -> Iterator[None]:
    """Work in the folder ``place``, if there is one here, with the variables of ``environment`` that are not set."""
    before, new = os.getcwd(), [name for name in environment if name not in os.environ]
    if os.path.isdir(place):
        os.chdir(place)
    os.environ.update({name: environment[name] for name in new})
    try:
        yield
    finally:
        os.chdir(before)
        for name in new:
            os.environ.pop(name, None)
