"""Tasks of a study: what is done at once, in any process. Each writes its result into the folder of the study."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.errors import CondensationError
from condensation.core.lock import locked_beside
from condensation.core.memory import is_out_of_memory
from condensation.core.progress import OnProgress
from condensation.core.records import read_record
from condensation.core.storage import write_json
from condensation.core.user_code import user_error_message
from condensation.data.dataset import Data
from condensation.methods.step_info import Observer, Stopped

FAILURES = "failures.json"
FINISHED, FAILED, BEGUN, TO_DO = "finished", "failed", "begun", "to do"
TO_WORK_ON = (FAILED, BEGUN, TO_DO)  # states of tasks that are done; those in other states are not
T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """Error of a task, as ``failures.json`` keeps it."""

    reason: str  # one line
    traceback: str = ""


Failures = dict[str, Failure]  # failed tasks by name
OnJob = Callable[[int, int, str, str], None]  # called before each task: its number from 1, the number of tasks, its title and its state
# Called after each task: its number, the number of tasks, its title, its result, its seconds, and those that the study has left.
OnEnd = Callable[[int, int, str, str, float, float | None], None]


@dataclass(frozen=True)
class Watch:
    """Callbacks of a study; an observer or a progress callback may raise `Stopped`, after which the study can be resumed."""

    on_job: OnJob | None = None
    observers: Sequence[Observer] = ()  # called after each step of condensing
    on_progress: OnProgress | None = None  # progress of an evaluation
    on_reading: OnProgress | None = None  # progress of reading images
    on_training: OnProgress | None = None  # progress of training networks before the first step
    on_releasing: OnProgress | None = None  # progress of the noisy sums of a private method
    checkpoint_every: float = EVERY_SECONDS  # seconds between two checkpoints
    on_end: OnEnd | None = None
    on_tasks: OnProgress | None = None  # called often with the number of ended tasks while other processes work

    def begin(self, number: int, count: int, title: str, state: str) -> None:
        """Report that a task begins."""
        if self.on_job:
            self.on_job(number, count, title, state)

    def end(self, number: int, count: int, title: str, result: str, seconds: float, left: float | None) -> None:
        """Report that a task has ended."""
        if self.on_end:
            self.on_end(number, count, title, result, seconds, left)


@dataclass(frozen=True, kw_only=True)
class Task:
    """Part of a study that one process does at once: a run, a cell, the training of a network."""

    name: str  # unique in its group
    group: str  # folder of its results, inside that of the study
    title: str
    work: Callable[[Watch], object]  # does it and writes the result; may return its failure
    state: Callable[[Mapping[str, Failure]], str]  # returns the state of its result, given the failures of its group
    needs: tuple[str, ...] = ()  # keys of the tasks without whose results it is left out
    after: tuple[str, ...] = ()  # keys of tasks that must have ended, whatever came of them
    result: Callable[[], str] = lambda: "finished"  # returns its result in a few words
    vital: bool = False  # an error ends the study

    @property
    def key(self) -> str:
        """Name among all tasks of the study."""
        return f"{self.group}/{self.name}"


class Lazy(Generic[T]):
    """Value that is made when it is first asked for, and again after it was forgotten."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._made = make, list[T]()

    def __call__(self) -> T:
        if not self._made:
            self._made.append(self._make())
        return self._made[0]

    def forget(self) -> None:
        """Free the memory of the value."""
        self._made.clear()


@dataclass(frozen=True)
class TaskList:
    """All tasks of a study in their order, each after those that it needs."""

    tasks: Sequence[Task]
    data: Sequence[Data] = ()  # what the study records of its data
    check: Callable[[], None] = lambda: None  # raises CondensationError if the settings do not fit the data or the folder
    files: Mapping[str, Any] = field(default_factory=dict)  # further JSON files of the folder, by name
    memory: Sequence[Lazy[Any]] = ()  # what the tasks keep in memory


def file_state(path: Path, name: str, failures: Mapping[str, Failure]) -> str:
    """Return the state of the task ``name``, which writes a single file."""
    return FINISHED if path.exists() else FAILED if name in failures else TO_DO


def failures_in(folder: Path) -> Failures:
    """Return the tasks in ``folder`` that failed and have not succeeded since."""
    path = folder / FAILURES
    return read_record(path, Failures) if path.exists() else {}


def attempt(work: Callable[[], object]) -> Failure | None:
    """Call ``work`` and return its failure, or None; Stopped is no failure and passes through."""
    try:
        result = work()
    except Stopped:
        raise
    except Exception as error:
        return Failure(reason_of(error), traceback.format_exc())
    finally:
        if torch.cuda.is_available():  # a task that ran out of memory must not starve the next
            torch.cuda.empty_cache()
    return result if isinstance(result, Failure) else None


def record_failure(folder: Path, failures: Failures, name: str, failure: Failure | None) -> None:
    """Update ``failures`` and their file in ``folder``, which exists while a task fails; None means that the task ``name`` succeeded.

    Other processes may do so at the same time.
    """
    if failure is None and name not in failures and name not in failures_in(folder):
        return
    with locked_beside(folder / FAILURES, wait=True):
        now = failures_in(folder)
        now.pop(name, None)
        if failure:
            now[name] = failure
        if now:
            write_json(folder / FAILURES, {name: asdict(failure) for name, failure in now.items()})
        else:
            (folder / FAILURES).unlink(missing_ok=True)
    failures.clear()
    failures.update(now)


def reason_of(error: Exception) -> str:
    """Return the reason of a failure in one line."""
    if is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, CondensationError):
        return error.message.splitlines()[0]
    return " ".join((user_error_message(error) or f"{type(error).__name__}: {error}").splitlines())
