"""Executors on clusters: Dask, Ray and Slurm. They send pickles, so their networks must be trusted."""

import logging
import os
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from condensation.core.errors import CondensationError
from condensation.core.text import in_line
from condensation.studies.executors import Executor, Future, Processes
from condensation.studies.where import DASK, PROCESSES, RAY, SLURM, Where

TIMEOUT = 5.0  # seconds to reach a cluster
DAY = 24 * 60  # minutes of a job of Slurm, unless told otherwise
# Options of jobs by the names that submitit has for all its clusters; others are options of Slurm.
SHARED = {"gpus": "gpus_per_node", "cpus": "cpus_per_task", "mem": "mem_gb", "time": "timeout_min"}


@contextmanager
def open_executor(where: Where, folder: Path) -> Iterator[Executor]:
    """Yield the executor of ``where``, for a study in ``folder``. Raise CondensationError if its cluster cannot be reached."""
    if where.kind == PROCESSES:
        workers = where.workers or torch.get_num_threads()
        with Processes(workers, threads_of(workers)) as processes:
            yield processes
    elif where.kind == DASK:
        with _dask(where.address) as dask:
            yield dask
    elif where.kind == RAY:
        with _ray(where.address) as ray:
            yield ray
    else:
        with _slurm(where.options, folder / "slurm") as slurm:
            yield slurm


def threads_of(workers: int) -> int:
    """Return the threads of each of ``workers`` processes of this machine."""
    return max(1, torch.get_num_threads() // workers)


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    import distributed

    with _quiet("distributed"), _reaching(address, "Dask"):
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    try:
        yield _Dask(client)
    finally:
        with _quiet("distributed"):
            client.close(timeout=TIMEOUT)


class _Dask:
    loses_all = False

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future:
        future: Future = self._client.submit(work, *arguments, pure=False)
        return future


@contextmanager
def _ray(address: str) -> Iterator[Executor]:
    import ray

    begun = not ray.is_initialized()
    if begun:
        with _reaching(address, "Ray"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield _Ray(ray)
    finally:
        if begun:
            ray.shutdown()


class _Ray:
    loses_all = False

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future:
        reference = self._ray.remote(max_retries=0)(work).remote(*arguments)  # the study itself tries again
        return _RayFuture(self._ray, reference)


class _RayFuture:
    def __init__(self, ray: Any, reference: Any) -> None:
        self._ray, self._reference, self._future = ray, reference, reference.future()

    def done(self) -> bool:
        return bool(self._future.done())

    def result(self) -> Any:
        return self._future.result()

    def cancel(self) -> bool:
        self._ray.cancel(self._reference, force=True)
        return True


@contextmanager
def _slurm(options: dict[str, str], folder: Path) -> Iterator[Executor]:
    import submitit

    options = dict(options)
    cluster, jobs = options.pop("cluster", SLURM), options.pop("jobs", None)
    workers = int(jobs) if jobs else None
    values: dict[str, Any] = {"timeout_min": DAY, "name": "condensation"}
    for name, value in options.items():
        values[SHARED.get(name, f"slurm_{name}")] = int(value) if value.isdecimal() else value
    if workers and cluster == SLURM:
        values["slurm_array_parallelism"] = workers
    try:
        executor = submitit.AutoExecutor(folder, cluster=cluster)
        executor.update_parameters(**values)
    except (NameError, ValueError, RuntimeError, AssertionError) as error:
        raise CondensationError(f"submitit refuses these options: {in_line(str(error))[:300]}", setting="executor") from error
    yield _Slurm(executor, workers if cluster == SLURM else workers or os.cpu_count() or 1, int(options.get("cpus", 0)))
    shutil.rmtree(folder, ignore_errors=True)  # after an error, the logs of the jobs stay


class _Slurm:
    loses_all = False

    def __init__(self, executor: Any, workers: int | None, threads: int) -> None:
        self._executor, self.workers, self.threads = executor, workers, threads
        self.batch = executor.batch  # one array of many jobs

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future:
        future: Future = self._executor.submit(work, *arguments)
        return future


def require_reachable(where: Where) -> None:
    """Raise CondensationError if nothing listens at the address of ``where``, where clients try for very long, or Slurm is not here."""
    if where.kind == DASK or (where.kind == RAY and where.address != "auto"):
        _connect(where.address, where.kind.title())
    elif where.kind == SLURM and where.options.get("cluster", SLURM) == SLURM and shutil.which("sbatch") is None:
        hint = "Start it where sbatch is. To try it on this machine: executor='slurm:cluster=local'."
        raise CondensationError("There is no Slurm here: sbatch was not found.", hint=hint, setting="executor")


def _connect(address: str, name: str) -> None:
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    with _reaching(address, name):
        if not (parts.hostname and parts.port):
            raise ValueError("expected host:port")
        socket.create_connection((parts.hostname, parts.port), TIMEOUT).close()


@contextmanager
def _reaching(address: str, name: str) -> Iterator[None]:
    try:
        yield
    except CondensationError:
        raise
    except Exception as error:
        reason = in_line(str(error)).strip() or type(error).__name__
        message = f"There is no {name} cluster at {address}: {reason[:200]}"
        raise CondensationError(message, hint="Check the address, and that its scheduler runs.", setting="executor") from error


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silence the log of a client, which repeats errors that are raised."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
