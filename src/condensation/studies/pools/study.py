"""Which networks should embed images? A pool of trained ones is sorted by validation accuracy, and a set is learned on each bucket.

The ablation of the supplement of Zhao & Bilen (2023), whose figure has a row of images for each bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.ipc import SmallClasses
from condensation.core.plain import to_dict
from condensation.evaluation.compare import EvaluationSettings
from condensation.networks.base import NetworkSpec
from condensation.networks.pool_store import ALL, RANDOM, PoolStore, buckets_between, parse_bucket
from condensation.networks.samplers import Pool
from condensation.runs.presets import preset_for
from condensation.runs.run import RunSettings
from condensation.studies.jobs import FINISHED, TO_DO, Job, Watch, check_all, claim_all, run_jobs
from condensation.studies.study_folder import in_use, keep, kept_in, must_be_alike, slug
from condensation.training.make_pool import PoolRecipe, make_pool

POOL, RUNS = "pool", "runs"
EMPTY = "empty"  # what watchers are told of a job whose bucket has no network


@dataclass(frozen=True)
class PoolsSettings:
    """Everything that decides the ablation."""

    data: str | dict[str, object] = "fashion-mini"  # a source, or settings of the data
    method: str | dict[str, object] = "dm"  # as for `condense run`: a name, or settings over those of the preset
    network: NetworkSpec | None = None  # of the pool; None: the one that the method learns on
    pool: PoolRecipe = PoolRecipe()
    buckets: tuple[str, ...] = ()  # random, all, and ranges such as 20-30 and 70+; (): all that the pool is sorted into
    ipc: tuple[int, ...] = (10,)
    seeds: int = 1  # sets learned on each bucket at each ipc
    evaluation: EvaluationSettings = EvaluationSettings()
    preset: str = "fast"  # of the method's settings
    small_classes: SmallClasses = "error"
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.evaluation.networks < 1:
            raise CondensationError("Judging needs a seed and a network, at least one of each.\nGive --seeds and --networks from 1.")
        if not self.ipc:
            raise CondensationError("There is no ipc.\nGive numbers with --ipc 1,10.")
        for kind, names in (("ipc", [str(ipc) for ipc in self.ipc]), ("buckets", list(self.buckets))):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise CondensationError(f"{kind} has {twice[0]} twice.\nName each once.")
        for name in self.buckets:
            Pool(bucket=name)  # there must be such a bucket

    @property
    def data_settings(self) -> dict[str, object]:
        return {"source": self.data} if isinstance(self.data, str) else self.data

    @property
    def method_settings(self) -> dict[str, object]:
        return {"name": self.method} if isinstance(self.method, str) else {"name": "dm", **self.method}

    @property
    def source(self) -> str:
        return str(self.data_settings.get("source", "fashion-mini"))

    @property
    def names(self) -> tuple[str, ...]:
        """The buckets, in the order of the table."""
        return self.buckets or (RANDOM, *map(str, buckets_between(self.pool.bounds)), ALL)


def network_for(settings: PoolsSettings) -> NetworkSpec:
    """The architecture of the pool.

    Raises:
        CondensationError: if the method draws no networks.
    """
    method = base_of(settings, settings.ipc[0]).method
    network = settings.network or method.network
    if method.sampler is None or network is None:
        raise CondensationError(f"{to_dict(method)['name']} draws no networks in its steps.", hint="Choose a method that does, such as dm.")
    return network


def base_of(settings: PoolsSettings, ipc: int) -> RunSettings:
    """A run at ``ipc``, but for its seed and its networks."""
    content: dict[str, object] = {"data": settings.data_settings, "method": settings.method_settings, "ipc": ipc}
    base = from_dict(RunSettings, content, preset_for(settings.preset, content))
    return replace(base, baseline=False, evaluation=settings.evaluation, small_classes=settings.small_classes, compute=settings.compute)


def jobs_of(settings: PoolsSettings, folder: str | Path) -> list[Job]:
    """All runs: of each seed every bucket, so that what is broken off early is a table already."""
    network, place = network_for(settings), str((Path(folder) / POOL).resolve())
    jobs = []
    for seed in range(settings.seeds):
        for ipc in settings.ipc:
            base = base_of(settings, ipc)
            for name in settings.names:
                method = base.method.with_sampler(Pool(place, name, network))
                title = f"networks of {name}, ipc {ipc}, seed {seed}"
                jobs.append(Job(job_name(name, ipc, seed), title, replace(base, method=method, seed=seed)))
    return jobs


def job_name(name: str, ipc: int, seed: int) -> str:
    """Of the run folder of one set."""
    return f"{slug(name)}-ipc{ipc}-seed{seed}"


def run_pools(settings: PoolsSettings, out: str | Path, watch: Watch = Watch(), *, pool_only: bool = False) -> dict[str, Any]:
    """Do what is missing in the folder ``out``: the pool, network by network, then a set for each bucket; return what failed.

    A bucket without networks is passed over, and its sets are not there. ``pool_only`` ends with the pool.

    Raises:
        CondensationError: if anything in the settings cannot be done, or the folder holds something else.
        Stopped: if ``watch`` asked for it; what is finished is kept, and the same again goes on.
    """
    folder = Path(out)
    _claim(settings, folder)
    jobs, networks = jobs_of(settings, folder), settings.pool.networks
    claim_all(jobs, folder / RUNS)
    data = jobs[0].settings.data.load(watch.on_reading)
    check_all(jobs, data)
    keep(folder, settings, data)
    count = networks + (0 if pool_only else len(jobs))

    def tell(number: int, _: int, there: bool) -> None:
        if watch.on_job:
            watch.on_job(number + 1, count, f"network {number} of the pool", FINISHED if there else TO_DO)

    store = make_pool(
        network_for(settings),
        data.train,
        folder / POOL,
        settings.pool,
        compute=settings.compute,
        checkpoint_every=watch.checkpoint_every,
        on_network=tell,
        on_progress=watch.on_training,
    )
    if pool_only:
        return {}
    there = [job for job in jobs if has_networks(store, job_bucket(job))]
    for number, job in enumerate((job for job in jobs if job not in there), networks + 1):
        if watch.on_job:
            watch.on_job(number, count, job.title, EMPTY)
    before = count - len(there)
    return run_jobs(there, folder / RUNS, data, watch, count, before + 1)


def has_networks(store: PoolStore, name: str) -> bool:
    """Whether the bucket called ``name`` holds any network of the pool."""
    return name in (RANDOM, ALL) or bool(_within(store, name))


def counts_of(store: PoolStore, names: tuple[str, ...]) -> Mapping[str, int]:
    """How many states of networks are in each bucket; new networks are not counted, and all are all."""
    return {name: 0 if name == RANDOM else len(store.accuracies()) if name == ALL else _within(store, name) for name in names}


def job_bucket(job: Job) -> str:
    """The bucket that a job's networks are drawn from."""
    sampler = job.settings.method.sampler
    assert isinstance(sampler, Pool)
    return sampler.bucket


def pools_in(folder: str | Path) -> PoolsSettings:
    """The settings of the ablation in ``folder``.

    Raises:
        CondensationError: if there is none.
    """
    otherwise = f"There is no comparison of pools in {folder}.\nMake one: condense pools --data NAME --out {folder}"
    return kept_in(folder, PoolsSettings, "buckets", otherwise)


def _within(store: PoolStore, name: str) -> int:
    wanted = parse_bucket(name)
    return sum(accuracy in wanted for accuracy in store.accuracies())


def _claim(settings: PoolsSettings, folder: Path) -> None:
    """Make sure that ``folder`` is free, or holds an ablation with this very pool, to which more may be added."""
    if in_use(folder):
        must_be_alike(folder, "another pool", _compared(pools_in(folder)), _compared(settings))


def _compared(settings: PoolsSettings) -> dict[str, Any]:
    """What decides a pool; the data may lie anywhere."""
    data = replace(base_of(settings, settings.ipc[0]).data, folder=None)
    return {"data": to_dict(data), "network": to_dict(settings.network), "pool": to_dict(settings.pool)}
