"""Scores of the sets learned on each bucket of a pool."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

from condensation.config.build import from_dict
from condensation.core.errors import naming
from condensation.methods.dm import DM
from condensation.networks.pool_store import ALL, POOL_FILE, RANDOM, PoolStore
from condensation.networks.samplers import Fresh
from condensation.runs.presets import preset_for
from condensation.runs.settings import RunSettings
from condensation.studies.pools.study import POOL, RUNS, PoolsSettings, base_run, bucket_job, bucket_sizes, decisive_settings, pool_network
from condensation.studies.published_numbers import Number, published_pools
from condensation.studies.scores import ScoredCell, completed, results_of
from condensation.studies.settings import decisive_run
from condensation.studies.study import ReportRecord, earlier_report
from condensation.studies.table.cells import differences


@dataclass(frozen=True, kw_only=True)
class BucketScore(ScoredCell):
    """Sets learned on one bucket at one ipc."""

    labels: ClassVar[tuple[str, ...]] = ("bucket", "ipc")

    bucket: str
    ipc: int
    sets: int  # number of sets asked for
    runs: tuple[str, ...] = ()  # run folders of the evaluated sets
    published: Number | None = None
    empty: bool = False  # True if the bucket has no network

    @property
    def missing(self) -> int:
        """Number of sets that are neither evaluated, failed, nor impossible."""
        return 0 if self.empty else super().missing

    def __str__(self) -> str:
        return "no network" if self.empty else super().__str__()


@dataclass(frozen=True)
class PoolSummary:
    """Networks of a finished pool; empty before."""

    networks: dict[str, int] = field(default_factory=dict)  # number of snapshots in each bucket
    accuracies: tuple[float, ...] = ()  # validation accuracies of all snapshots in percent, ascending


@dataclass(frozen=True)
class PoolsRecord(ReportRecord):
    """Part of ``pools.json`` that is read again."""

    pool: PoolSummary
    cells: tuple[BucketScore, ...]


@dataclass(frozen=True, eq=False)
class Ablation:
    """The ablation in a folder, finished or not."""

    settings: PoolsSettings
    folder: Path
    cells: tuple[BucketScore, ...]  # cells, ipc by ipc
    pool: PoolSummary

    def at(self, ipc: int) -> list[BucketScore]:
        """Return the cells of one ipc, bucket by bucket."""
        return [cell for cell in self.cells if cell.ipc == ipc]

    def published(self, ipc: int) -> list[float]:
        """Return the published means of the buckets at ``ipc``."""
        return [cell.published.mean for cell in self.at(ipc) if cell.published]

    def spread(self, ipc: int) -> float | None:
        """Return the difference between the best and the worst bucket in points; None with fewer than two."""
        means = [cell.mean for cell in self.at(ipc) if cell.values]
        return max(means) - min(means) if len(means) > 1 else None


def ablation_in(settings: PoolsSettings, folder: Path) -> Ablation:
    """Return the ablation in ``folder``, finished or not."""
    earlier = cache(partial(earlier_report, folder / "pools.json", PoolsRecord, settings, decisive_settings))
    pool = _pool(settings, folder) or ((before := earlier()) and before[0].pool) or PoolSummary()

    @naming(folder / "pools.json")
    def reported() -> list[BucketScore]:
        """Return the cells of the JSON report whose settings have not changed."""
        if (report := earlier()) is None:
            return []
        record, before = report
        same = {ipc for ipc in settings.ipc if decisive_run(base_run(before, ipc)) == decisive_run(base_run(settings, ipc))}
        return [cell for cell in record.cells if cell.ipc in same]

    def cell(name: str, ipc: int) -> BucketScore:
        published = published_pools(settings.source, ipc) if settings.method_settings["name"] == "dm" else {}
        empty = name not in (RANDOM, ALL) and pool.networks.get(name) == 0
        results = results_of([bucket_job(settings, folder, name, ipc, seed) for seed in range(settings.seeds)], folder / RUNS)
        return BucketScore(bucket=name, ipc=ipc, sets=settings.seeds, published=published.get(name), empty=empty, **results)

    cells = [cell(name, ipc) for ipc in settings.ipc for name in settings.bucket_names]
    return Ablation(settings, folder, tuple(completed(cells, reported)), pool)


def _pool(settings: PoolsSettings, folder: Path) -> PoolSummary | None:
    if not (folder / POOL / POOL_FILE).exists():
        return None
    store = PoolStore.open(folder / POOL)
    return None if store.missing() else PoolSummary(dict(bucket_sizes(store, settings.bucket_names)), tuple(store.accuracies()))


def published_differences(settings: PoolsSettings, ipc: int) -> tuple[str, ...]:
    """Return the differences of sets and evaluation from the published ones, which are those of DM; the published pool is unknown."""
    run = base_run(settings, ipc)
    content: Mapping[str, object] = {"data": {"source": settings.source}, "method": "dm", "ipc": ipc}
    published = from_dict(RunSettings, content, preset_for("paper", content))
    if isinstance(run.method, DM):  # its networks come from the buckets
        run = replace(run, method=replace(run.method, networks=Fresh(pool_network(settings))))
    return differences(run, published)
