"""Ablation over the accuracy of networks: a pool is sorted by validation accuracy, and sets are learned on each bucket.

The ablation of the supplement of Zhao & Bilen (2023), whose figure has a row of images for each bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.base import NetworkSpec
from condensation.networks.pool_store import ALL, POOL_FILE, RANDOM, PoolStore, buckets_between, parse_bucket
from condensation.networks.samplers import Pool
from condensation.runs.settings import RunSettings
from condensation.studies.jobs import Job, check_all, claim_all, job_tasks
from condensation.studies.settings import StudySettings, method_content, require_at_least, require_unique
from condensation.studies.study_folder import claim_folder, slug
from condensation.studies.tasks import Failure, Lazy, Task, TaskList, file_state
from condensation.training.make_pool import PoolMaker, PoolRecipe

POOL, RUNS = "pool", "runs"
EMPTY = "empty"  # state of a job whose bucket has no network


@dataclass(frozen=True)
class PoolsSettings(StudySettings):
    """Settings of the ablation."""

    noun: ClassVar[str] = "comparison of pools"
    mark: ClassVar[str] = "buckets"

    method: str | dict[str, object] = "dm"
    """Name of the method, or settings on top of those of the preset."""
    network: NetworkSpec | None = None
    """Architecture of the pool; None for the network that the method learns on."""
    pool: PoolRecipe = PoolRecipe()
    """Training of the pool."""
    buckets: tuple[str, ...] = ()
    """Buckets to compare: random, all, and ranges such as 20-30 and 70+; empty for all that the pool is sorted into."""
    ipc: tuple[int, ...] = (10,)
    """Images per class."""
    seeds: int = 1
    """Sets learned on each bucket at each ipc."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Evaluation of each set."""

    def __post_init__(self) -> None:
        require_at_least(self, {"seeds": 1, "evaluation.networks": 1})
        if not self.ipc:
            raise CondensationError("ipc is empty.", hint="Give at least one number of images per class.", setting="ipc")
        require_unique("ipc", map(str, self.ipc))
        require_unique("buckets", self.buckets)
        for name in self.buckets:
            if name not in (RANDOM, ALL):
                parse_bucket(name)  # raises for an unknown bucket

    @property
    def method_settings(self) -> dict[str, object]:
        """Settings of the method, with its name."""
        return method_content(self.method)

    @property
    def bucket_names(self) -> tuple[str, ...]:
        """Buckets in the order of the table."""
        return self.buckets or (RANDOM, *map(str, buckets_between(self.pool.bounds)), ALL)


def pool_network(settings: PoolsSettings) -> NetworkSpec:
    """Return the architecture of the pool. Raise CondensationError if the method draws no networks."""
    method = base_run(settings, settings.ipc[0]).method
    network = settings.network or method.network
    if method.sampler is None or network is None:
        hint = "Choose a method that does, such as dm."
        raise CondensationError(f"{to_dict(method)['name']} draws no networks in its steps.", hint=hint, setting="method")
    return network


def base_run(settings: PoolsSettings, ipc: int) -> RunSettings:
    """Return the settings of a run at ``ipc``, except for its seed and its networks."""
    return settings.run_of(settings.method_settings, ipc, evaluation=settings.evaluation)


def pools_jobs(settings: PoolsSettings, folder: Path) -> list[Job]:
    """Return all runs: every bucket of one seed comes before the next seed, so that an interrupted study is useful."""
    places = product(range(settings.seeds), settings.ipc, settings.bucket_names)
    return [bucket_job(settings, folder, name, ipc, seed) for seed, ipc, name in places]


def bucket_job(settings: PoolsSettings, folder: Path, name: str, ipc: int, seed: int) -> Job:
    """Return the run that learns one set on the bucket ``name``."""
    base = base_run(settings, ipc)
    sampler = Pool(str((folder / POOL).resolve()), bucket=name, spec=pool_network(settings))
    run = replace(base, method=base.method.with_sampler(sampler), seed=seed)
    return Job(f"{slug(name)}-ipc{ipc}-seed{seed}", f"networks of {name}, ipc {ipc}, seed {seed}", run)


def claim_pools(settings: PoolsSettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than this comparison."""
    claim_folder(folder, settings, decisive_settings)
    claim_all(pools_jobs(settings, folder), folder / RUNS)


def pools_tasks(settings: PoolsSettings, folder: Path, on_reading: OnProgress | None = None, *, pool_only: bool = False) -> TaskList:
    """Return the networks of the pool in ``folder``, then, unless ``pool_only``, the sets of all buckets; empty ones are left out."""
    jobs = pools_jobs(settings, folder)
    data = Lazy(partial(jobs[0].settings.data.load, on_reading))
    maker = Lazy(lambda: PoolMaker(pool_network(settings), data().train, folder / POOL, settings.pool, settings.compute))
    pool = [_network_task(folder, number, maker) for number in range(settings.pool.networks)]
    runs = [] if pool_only else job_tasks(jobs, folder, RUNS, data, tuple(task.key for task in pool))
    tasks = [*pool, *(_unless_empty(task, job, folder) for task, job in zip(runs, jobs, strict=bool(runs)))]
    return TaskList(tasks, [data()], lambda: check_all(jobs, data()), memory=[data, maker])


def _network_task(folder: Path, number: int, maker: Lazy[PoolMaker]) -> Task:
    path = PoolStore.file(folder / POOL, number)
    return Task(
        name=str(number),
        group=POOL,
        title=f"network {number} of the pool",
        work=lambda watch: maker().train(number, watch.checkpoint_every, watch.on_training),
        state=lambda failures: file_state(path, str(number), failures),
        vital=True,
    )


def _unless_empty(task: Task, job: Job, folder: Path) -> Task:
    """Return ``task`` with the state `EMPTY` if the pool is finished and the bucket of ``job`` has no network."""
    name = _bucket(job)

    def state(failures: Mapping[str, Failure]) -> str:
        if name not in (RANDOM, ALL) and (folder / POOL / POOL_FILE).exists():
            store = PoolStore.open(folder / POOL)
            if not store.missing() and not bucket_sizes(store, (name,))[name]:
                return EMPTY
        return task.state(failures)

    return replace(task, state=state)


def bucket_sizes(store: PoolStore, names: tuple[str, ...]) -> Mapping[str, int]:
    """Return the number of snapshots in each bucket; new networks do not count."""
    accuracies = store.accuracies()
    sizes = {RANDOM: 0, ALL: len(accuracies)}
    return {name: sizes[name] if name in sizes else sum(accuracy in parse_bucket(name) for accuracy in accuracies) for name in names}


def decisive_settings(settings: PoolsSettings) -> Mapping[str, Any]:
    """Return the plain settings that decide a pool; the place of the data does not."""
    return {"data": settings.decisive_data(settings.ipc[0]), "network": to_dict(settings.network), "pool": to_dict(settings.pool)}


def _bucket(job: Job) -> str:
    sampler = job.settings.method.sampler
    assert isinstance(sampler, Pool)
    return sampler.bucket
