"""Executors for the jobs of a study: processes of this machine, or any executor whose ``submit`` returns futures."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from condensation.core.errors import CondensationError
from condensation.studies.jobs import Failure, reason_of
from condensation.studies.worker import prepare

POLL = 0.05  # seconds between two checks of running jobs
SAFE_PATH = "PYTHONSAFEPATH"  # variable of Python 3.11 and later
DIED = "the process of the job ended, perhaps for lack of memory"


class Future(Protocol):
    """Handle of a submitted job."""

    def done(self) -> bool: ...

    def result(self) -> Any: ...

    def cancel(self) -> bool: ...


class Executor(Protocol):
    """Executor of `concurrent.futures`, of a cluster, ..."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future: ...


class Processes(AbstractContextManager["Processes"]):
    """Processes of this machine, each with ``threads``, until the block or this process ends; one that dies is replaced."""

    def __init__(self, workers: int, threads: int = 1) -> None:
        _require_guard()
        self.workers, self.threads = workers, threads
        self._context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in any state
        # The sender closes with the block, or when this process ends in whatever way.
        self._receiver, self._sender = self._context.Pipe(duplex=False)
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future:
        for _ in range(2):
            try:
                with _no_interrupts(), _safe_path():  # only this process receives Ctrl-C, and then stops the others
                    if self._pool is None:
                        self._pool = ProcessPoolExecutor(self.workers, self._context, prepare, (self.threads, self._receiver))
                    return self._pool.submit(work, *arguments)
            except BrokenExecutor:
                if self._pool is not None:
                    self._pool.shutdown(wait=False)
                self._pool = None
        raise BrokenExecutor(DIED)

    def __exit__(self, *_: object) -> None:
        self._sender.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._receiver.close()


def _require_guard() -> None:
    """Raise CondensationError if the script that Python runs would do its work again in each worker process, which imports it."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    script = Path(path) if path and getattr(sys.modules["__main__"], "__spec__", None) is None else None
    if script and script.suffix == ".py" and script.is_file() and "__main__" not in script.read_text(errors="replace"):
        message = f"Worker processes import {script.name}, and would do all its work again."
        raise CondensationError(message, hint='Put its commands below the line: if __name__ == "__main__":')


def run_all(
    names: Sequence[str],
    submit: Callable[[str], Future],
    on_begin: Callable[[str], None],
    on_end: Callable[[str, Failure | None], None],
    on_poll: Callable[[], None],
    at_a_time: int | None = None,
) -> None:
    """Submit the jobs ``names`` in their order, at most ``at_a_time`` at once, and wait for all.

    A job returns None, or its failure, which ``on_end`` receives. If a process dies, all running jobs are lost. Each of them runs again
    alone, and fails if its process dies again. If ``on_poll`` raises, jobs that have not begun are cancelled.
    """
    waiting, suspects = deque(names), deque[str]()
    running: dict[str, Future] = {}
    alone = False
    try:
        while waiting or suspects or running:
            while not (alone or (suspects and running) or len(running) == at_a_time) and (queue := suspects or waiting):
                name = queue.popleft()
                alone = queue is suspects
                on_begin(name)
                try:
                    running[name] = submit(name)
                except BrokenExecutor as error:
                    hint = "Start a new one and call again; finished jobs are kept."
                    raise CondensationError(f"The executor accepts no more jobs: {error}", hint=hint) from error
            on_poll()
            for name in [name for name, future in running.items() if future.done()]:
                future = running.pop(name)
                try:
                    failure = _failure(future)
                except BrokenExecutor:
                    if not (alone or at_a_time == 1):
                        suspects.append(name)
                        continue
                    failure = Failure(DIED)
                alone = False
                on_end(name, failure)
            if running:
                time.sleep(POLL)
    finally:
        for future in running.values():
            future.cancel()


def _failure(future: Future) -> Failure | None:
    """Return the failure of a job, or None; errors of the executor itself, such as for arguments it cannot send, are failures too."""
    try:
        failure: Failure | None = future.result()
        return failure
    except BrokenExecutor:
        raise
    except Exception as error:
        return Failure(reason_of(error), traceback.format_exc())


@contextmanager
def _safe_path() -> Iterator[None]:
    """Let processes that begin here find modules where this one does; a file ``pickle.py`` in the current folder is not imported."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(SAFE_PATH) if before is None else os.environ.update({SAFE_PATH: before})


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Block SIGINT, so that processes that begin here inherit the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
