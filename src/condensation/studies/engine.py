"""Work of a study: its tasks are done in order, in this process or by an executor; lost workers are replaced."""

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import format_exception

from condensation.core.errors import CondensationError
from condensation.core.lease import lease_holder
from condensation.core.lock import LOCK, remove_free
from condensation.studies.executors import Executor, Future, loses_all, lost_errors
from condensation.studies.pace import Pace
from condensation.studies.remote import Outcome, RemoteTask, do, lease_of, perform
from condensation.studies.tasks import (
    FINISHED,
    TO_WORK_ON,
    Failure,
    Failures,
    Task,
    TaskList,
    Watch,
    failures_in,
    reason_of,
    record_failure,
)

POLL = 0.05  # seconds between two checks of running tasks
LOOK = 2.0  # seconds between two checks of tasks that other processes do
RETRIES = 2  # of a task whose worker was lost


@dataclass
class _Held:
    """A task that a process of another study call does."""

    holder: str
    look: float  # time of the next check


class Engine:
    """One call of a study: which tasks have ended, and what came of them."""

    def __init__(self, listed: TaskList, folder: Path, watch: Watch) -> None:
        self.tasks = {task.key: task for task in listed.tasks}
        self.numbers = {key: number for number, key in enumerate(self.tasks, 1)}
        self.folder, self.watch, self.listed = folder, watch, listed
        self.failures = {group: failures_in(folder / group) for group in {task.group for task in listed.tasks}}
        self.waiting = deque(self.tasks)
        self.ended = set[str]()
        self.without = set[str]()  # tasks that have no result
        self.failed: Failures = {}
        self.pace, self.parallel = Pace(), 1
        self._held: dict[str, _Held] = {}

    # -- in this process

    def work_here(self, until: Callable[[], bool] = lambda: False) -> None:
        """Do all tasks that wait, one after the other; stop before one if ``until`` returns True."""
        while self.waiting and not until():
            key = self._next_here()
            task = self.tasks[key]
            if not self._begin(task):
                continue
            outcome = do(task, self.folder, self.watch, self.failures[task.group])
            self._end(task, outcome)

    def _next_here(self) -> str:
        """Remove the first task that no other process does from those that wait; wait for one if there is none."""
        while True:
            for key in list(self.waiting):
                if self._may_begin(key) and not self._is_held(key):
                    self.waiting.remove(key)
                    return key
            self._report()
            time.sleep(POLL)

    # -- by an executor

    def work_on(self, executor: Executor, request: RemoteTask, workers: int | None = None) -> None:
        """Submit all tasks that wait, at most ``workers`` at once, and wait for them.

        If a worker is lost, its task is done again, at most `RETRIES` times. Where one lost worker takes all others with it, each of
        their tasks is done again alone, so that the one at fault is found. If a callback raises, what has not begun is cancelled.
        """
        self.parallel = workers or len(self.tasks)
        running: dict[str, Future] = {}
        suspects, lost, errors = deque[str](), Counter[str](), lost_errors()
        alone = False  # whether a suspect runs
        try:
            while self.waiting or suspects or running:
                if suspects and not running:
                    key = suspects.popleft()
                    if self._begin(self.tasks[key]):
                        running[key], alone = self._submit(executor, request, key, lost[key]), True
                elif not (suspects or alone):
                    ready = self._ready(None if workers is None else workers - len(running))
                    with getattr(executor, "batch", nullcontext)() if ready else nullcontext():
                        for key in ready:
                            running[key] = self._submit(executor, request, key, lost[key])
                self._report()
                for key in [key for key, future in running.items() if future.done()]:
                    alone = False
                    outcome = _outcome(running.pop(key), errors)
                    if outcome is None:
                        lost[key] += 1
                        if lost[key] <= RETRIES:
                            suspects.append(key) if loses_all(executor) else self.waiting.appendleft(key)
                            continue
                        outcome = Outcome(failure=Failure(f"its worker was lost {lost[key]} times, perhaps for lack of memory"))
                    self._end(self.tasks[key], outcome)
                if running or self.waiting:
                    time.sleep(POLL)
        finally:
            for future in running.values():
                future.cancel()

    def _ready(self, most: int | None) -> list[str]:
        """Remove the tasks whose turn it is, at most ``most``, from those that wait, and return them."""
        ready: list[str] = []
        for key in list(self.waiting):
            if len(ready) == most:
                break
            if self._may_begin(key) and not self._is_held(key):
                self.waiting.remove(key)
                if self._begin(self.tasks[key]):
                    ready.append(key)
        return ready

    def _submit(self, executor: Executor, request: RemoteTask, key: str, lost: int) -> Future:
        try:
            return executor.submit(perform, replace(request, task=key, attempt=lost).text())
        except BrokenExecutor as error:
            hint = "Start a new one and call again; finished tasks are kept."
            raise CondensationError(f"The executor accepts no more tasks: {error}", hint=hint) from error

    # -- both

    def groups_left(self) -> list[str]:
        """Return the group of each task that waits and has to be done."""
        tasks = (self.tasks[key] for key in self.waiting)
        return [task.group for task in tasks if task.state(self.failures[task.group]) in TO_WORK_ON]

    def _may_begin(self, key: str) -> bool:
        return self.ended.issuperset((*self.tasks[key].needs, *self.tasks[key].after))

    def _is_held(self, key: str) -> bool:
        """Return whether another process does the task; report each such process once."""
        held, now = self._held.get(key), time.monotonic()
        if held and now < held.look:
            return True
        task = self.tasks[key]
        holder = lease_holder(lease_of(task, self.folder))
        if holder is None:
            self._held.pop(key, None)
            return False
        self._hold(task, str(holder))
        return True

    def _hold(self, task: Task, holder: str) -> None:
        before = self._held.get(task.key)
        self._held[task.key] = _Held(holder, time.monotonic() + LOOK)
        if before is None or before.holder != holder:
            self.watch.begin(self.numbers[task.key], len(self.tasks), task.title, f"done by {holder}")

    def _begin(self, task: Task) -> bool:
        """Report that it is the turn of ``task``, and return whether it is to be done."""
        failures = self.failures[task.group]
        state = task.state(failures)
        self.watch.begin(self.numbers[task.key], len(self.tasks), task.title, state)
        if state in TO_WORK_ON and self.without.isdisjoint(task.needs):
            return True
        if state == FINISHED:
            remove_free(self.folder / task.group / task.name / LOCK)
            record_failure(self.folder / task.group, failures, task.name, None)
        else:
            self.without.add(task.key)
        self.ended.add(task.key)
        return False

    def _end(self, task: Task, outcome: Outcome) -> None:
        """Record and report what came of ``task``; one that another process does waits again."""
        if outcome.busy:
            self._hold(task, outcome.busy)
            self.waiting.append(task.key)
            return
        failure = outcome.failure
        if failure and task.vital:
            raise CondensationError(f"{task.title}: {failure.reason}", hint="The same call tries again; finished tasks are kept.")
        record_failure(self.folder / task.group, self.failures[task.group], task.name, failure)
        if failure:
            self.failed[task.name] = failure
            self.without.add(task.key)
        self.ended.add(task.key)
        self.pace.add(task.group, outcome.seconds, outcome.work)
        if self.watch.on_end:
            result = f"failed: {failure.reason}" if failure else task.result()
            left = self.pace.left(self.groups_left(), self.parallel)
            self.watch.end(self.numbers[task.key], len(self.tasks), task.title, result, outcome.seconds, left)

    def _report(self) -> None:
        if self.watch.on_tasks:
            self.watch.on_tasks(len(self.ended), len(self.tasks))


def _outcome(future: Future, lost: tuple[type[BaseException], ...]) -> Outcome | None:
    """Return what came of a task, None if its worker was lost. Errors of the executor, such as for what it cannot send, are failures."""
    try:
        outcome: Outcome = future.result()
        return outcome
    except lost:
        return None
    except Exception as error:
        return Outcome(failure=Failure(reason_of(error), "".join(format_exception(error))))
