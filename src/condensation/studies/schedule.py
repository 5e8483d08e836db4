"""Choice of the process that does the tasks of a study: this one, others of this machine, or those of an engine."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from condensation.core.lease import remove_stale
from condensation.studies.clusters import open_executor, threads_of
from condensation.studies.engine import Engine
from condensation.studies.executors import Executor
from condensation.studies.pace import START
from condensation.studies.remote import JOBS, PASSED_ON, RemoteTask, version
from condensation.studies.where import AUTO, PROCESSES, Where

logger = logging.getLogger(__name__)


def do_tasks(engine: Engine, executor: Executor | Where | None, request: RemoteTask, device: str) -> None:
    """Do all tasks of ``engine``. A `Where` is opened for them, unless all are finished; ``request`` holds what they have in common."""
    jobs = engine.folder / JOBS
    request = replace(
        request,
        checkpoint_every=engine.watch.checkpoint_every,
        place=os.getcwd(),
        version=version(),
        environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
    )
    try:
        if executor is None:
            engine.work_here()
        elif not isinstance(executor, Where):
            _work_on(engine, executor, request)
        elif executor.kind in (AUTO, PROCESSES):
            _work_in_processes(engine, executor, request, device == "cpu")
        elif engine.groups_left():
            with open_executor(executor, jobs) as opened:
                _work_on(engine, opened, request)
        engine.work_here()  # reports what was finished before
    finally:
        remove_stale(jobs)


def _work_in_processes(engine: Engine, where: Where, request: RemoteTask, on_cpu: bool) -> None:
    """Do the tasks in processes of this machine; with `AUTO`, once that saves time."""
    workers = workers_of(where, on_cpu)
    if where.kind == AUTO or workers == 1:
        with _threads(threads_of(workers)):  # as many as later, since their number may change the rounding
            engine.work_here(lambda: workers > 1 and engine.pace.pays(engine.groups_left(), workers))
    if workers == 1 or not engine.groups_left():
        if where.kind == AUTO and workers > 1 and engine.pace.spent:
            logger.info(f"Worker processes take about {START:.0f} s to start, more than they would have saved here.")
        return
    started, before = time.monotonic(), engine.pace.spent
    with open_executor(Where(PROCESSES, workers), engine.folder / JOBS) as opened:
        _work_on(engine, opened, request)
    wall, spent = time.monotonic() - started, engine.pace.spent - before
    if wall > spent + 1:
        logger.warning(f"The tasks took {spent:.0f} s, {workers} processes with their start {wall:.0f} s: without them it is faster.")


def workers_of(where: Where, on_cpu: bool = True) -> int:
    """Return the processes of this machine that ``where`` names; 1 for a cluster. A GPU is shared only if a number is given."""
    if where.kind not in (AUTO, PROCESSES):
        return 1
    return where.workers or (torch.get_num_threads() if on_cpu or where.kind == PROCESSES else 1)


def _work_on(engine: Engine, executor: Executor, request: RemoteTask) -> None:
    for each in engine.listed.memory:
        each.forget()  # workers read the data themselves
    engine.work_on(executor, replace(request, threads=getattr(executor, "threads", 0)), getattr(executor, "workers", None))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
