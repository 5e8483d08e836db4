"""Executors for the jobs of a study: processes of this machine, or any executor whose ``submit`` returns futures."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from condensation.core.errors import CondensationError
from condensation.studies.worker import prepare

SAFE_PATH = "PYTHONSAFEPATH"  # variable of Python 3.11 and later
DIED = "a process ended, perhaps for lack of memory"
# Errors by which engines tell that a worker was lost, not that the task failed, by the module that defines them.
LOST = {
    "distributed": ("KilledWorker",),
    "ray.exceptions": ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "OutOfMemoryError", "ObjectLostError"),
    "submitit.core.utils": ("UncompletedJobError",),
}


class Future(Protocol):
    """Handle of a submitted job."""

    def done(self) -> bool: ...

    def result(self) -> Any: ...

    def cancel(self) -> bool: ...


class Executor(Protocol):
    """Executor of `concurrent.futures`, of a cluster, ...

    It may have the attributes ``workers``, the number of tasks to submit at once, and ``threads`` of each, and a context manager
    ``batch()`` for submitting many.
    """

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


def lost_errors() -> tuple[type[BaseException], ...]:
    """Return the errors by which the engines that are imported here tell that a worker was lost."""
    loaded = ((sys.modules[module], names) for module, names in LOST.items() if module in sys.modules)
    return (BrokenExecutor, CancelledError, *(getattr(module, name) for module, names in loaded for name in names if hasattr(module, name)))


def loses_all(executor: Executor) -> bool:
    """Return whether one lost worker of ``executor`` takes all others with it, as in pools of processes."""
    return bool(getattr(executor, "loses_all", True))


def _require_guard() -> None:
    """Raise CondensationError if the script that Python runs would do its work again in each worker process, which imports it."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    script = Path(path) if path and getattr(sys.modules["__main__"], "__spec__", None) is None else None
    if script and script.suffix == ".py" and script.is_file() and "__main__" not in script.read_text(errors="replace"):
        message = f"Worker processes import {script.name}, and would do all its work again."
        raise CondensationError(message, hint='Put its commands below the line: if __name__ == "__main__":')


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
