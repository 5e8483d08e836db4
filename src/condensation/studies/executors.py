"""Who does the jobs of a study: processes of this machine, or any executor whose ``submit`` gives futures."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

import torch

from condensation.core.errors import CondensationError
from condensation.studies.jobs import reason_of

Reason = dict[str, str] | None  # why a job failed; None: it did not

POLL = 0.05  # seconds between two looks at what is done
DIED = "the process that did it ended, perhaps for want of memory"


class Future(Protocol):
    """What an executor gives for a job."""

    def done(self) -> bool: ...

    def result(self) -> Any: ...

    def cancel(self) -> bool: ...


class Executor(Protocol):
    """Whoever does jobs elsewhere: those of `concurrent.futures`, of a cluster, ..."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future: ...


class Processes:
    """Processes of this machine, each with its share of the threads; where one dies, new ones take over.

    They end at once when the block ends or this process does, so nothing of theirs is left behind.
    """

    def __init__(self, workers: int, threads: int = 1) -> None:
        self.workers, self.threads = workers, threads
        self._context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in any state
        # Its other end is closed by `stop`, or when this process ends in whatever way.
        self._listen, self._speak = self._context.Pipe(duplex=False)
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future:
        for _ in range(2):
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self.workers, self._context, _begin, (self.threads, self._listen))
            try:
                with _no_interrupts():  # Ctrl-C is for this process alone, which then stops the others
                    return self._pool.submit(work, *arguments)
            except BrokenExecutor:
                self._pool.shutdown(wait=False)
                self._pool = None
        raise BrokenExecutor(DIED)

    def stop(self) -> None:
        self._speak.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._listen.close()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def go_through(
    names: Sequence[str],
    submit: Callable[[str], Future],
    on_begin: Callable[[str], None],
    on_end: Callable[[str, Reason], None],
    look: Callable[[], None],
    at_a_time: int | None = None,
) -> None:
    """Hand out the job of each of ``names`` in their order, at most so many ``at_a_time``, and tell of each when it begins and ends.

    A job gives None, or why it failed. Where a process dies, the jobs beside its own are lost too: all of them are then done
    again, each alone, and what dies alone has failed. ``look`` is called all the while; if it raises, jobs that have not begun
    are called off.
    """
    waiting, suspects = deque(names), deque[str]()
    running: dict[str, Future] = {}
    alone = False
    try:
        while waiting or suspects or running:
            while queue := _next(waiting, suspects, running, alone, at_a_time):
                name = queue.popleft()
                alone = queue is suspects
                on_begin(name)
                try:
                    running[name] = submit(name)
                except BrokenExecutor as error:
                    raise CondensationError(
                        f"The executor takes no more jobs: {error}\nBegin a new one and give the same again; what is finished is kept."
                    ) from error
            look()
            for name in [one for one, future in running.items() if future.done()]:
                future = running.pop(name)
                try:
                    reason = _reason(future)
                except BrokenExecutor:
                    if not (alone or at_a_time == 1):
                        suspects.append(name)
                        continue
                    reason = {"reason": DIED, "traceback": ""}
                alone = False
                on_end(name, reason)
            if running:
                time.sleep(POLL)
    finally:
        for future in running.values():
            future.cancel()


def _next(waiting: deque[str], suspects: deque[str], running: dict[str, Future], alone: bool, at_a_time: int | None) -> deque[str] | None:
    """From where the next job is to be taken now; None: there is nothing to begin."""
    if alone or (suspects and running) or len(running) == at_a_time:
        return None
    return suspects or waiting or None


def _reason(future: Future) -> Reason:
    """Why a job failed, or None; what an executor itself raises, such as for arguments that it cannot send, is a failure too."""
    try:
        reason: Reason = future.result()
        return reason
    except BrokenExecutor:
        raise
    except Exception as error:
        return {"reason": reason_of(error), "traceback": traceback.format_exc()}


def _begin(threads: int, listen: Connection) -> None:
    """What a new process does first."""
    torch.set_num_threads(threads)
    logging.getLogger("condensation").setLevel(logging.ERROR)  # what is to be warned of was said where the study was begun
    threading.Thread(target=_end_with, args=(listen,), daemon=True).start()


def _end_with(listen: Connection) -> None:
    """End this process, whatever it does, once there is nobody any more who could speak to ``listen``."""
    with suppress(EOFError, OSError):
        listen.recv_bytes()
    os._exit(1)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes that begin here never hear of Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
