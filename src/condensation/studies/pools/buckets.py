"""Scores of the sets learned on each bucket of a pool."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from condensation.config.build import from_dict
from condensation.methods.dm import DM
from condensation.networks.pool_store import ALL, POOL_FILE, RANDOM, PoolStore
from condensation.networks.samplers import Fresh
from condensation.runs.presets import preset_for
from condensation.runs.settings import RunSettings
from condensation.studies.pools.study import POOL, RUNS, PoolsSettings, base_run, bucket_job, bucket_sizes, decisive_settings, pool_network
from condensation.studies.published_numbers import Number, published_pools
from condensation.studies.scores import ScoredCell, results_of
from condensation.studies.settings import decisive_run
from condensation.studies.study import earlier_report
from condensation.studies.table.cells import differences


@dataclass(frozen=True, kw_only=True)
class BucketScore(ScoredCell):
    """Sets learned on one bucket at one ipc."""

    result_fields: ClassVar[tuple[str, ...]] = ("values", "runs")

    bucket: str
    ipc: int
    sets: int
    """Number of sets asked for."""
    runs: tuple[str, ...] = ()
    """Run folders of the evaluated sets."""
    published: Number | None = None
    empty: bool = False
    """True if the bucket has no network."""

    @property
    def missing(self) -> int:
        """Number of sets that are neither evaluated, failed, nor impossible."""
        return 0 if self.empty else super().missing

    def __str__(self) -> str:
        return "no network" if self.empty else super().__str__()


@dataclass(frozen=True)
class PoolSummary:
    """Networks of a finished pool; empty before."""

    networks: dict[str, int] = field(default_factory=dict)
    """Number of snapshots in each bucket."""
    accuracies: tuple[float, ...] = ()
    """Validation accuracies of all snapshots in percent, ascending."""


@dataclass(frozen=True)
class PoolsRecord:
    """Part of ``pools.json`` that is read again."""

    settings: dict[str, Any]
    pool: PoolSummary
    cells: tuple[BucketScore, ...]


@dataclass(frozen=True, eq=False)
class Ablation:
    """The ablation in a folder, finished or not."""

    settings: PoolsSettings
    folder: Path
    cells: tuple[BucketScore, ...]
    """Cells, ipc by ipc."""
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
    folders, seeds = folder / RUNS, range(settings.seeds)
    places = [(name, ipc) for ipc in settings.ipc for name in settings.bucket_names]
    results = [results_of([bucket_job(settings, folder, name, ipc, seed) for seed in seeds], folders) for name, ipc in places]
    pool = _pool(settings, folder)
    complete = pool and all(len(result["values"]) == settings.seeds for result in results)
    earlier = None if complete else earlier_report(folder, "pools", PoolsRecord)
    before = from_dict(PoolsSettings, earlier.settings) if earlier else settings
    if earlier and decisive_settings(before) != decisive_settings(settings):
        earlier = None
    pool = pool or (earlier.pool if earlier else PoolSummary())
    same = [ipc for ipc in settings.ipc if decisive_run(base_run(before, ipc)) == decisive_run(base_run(settings, ipc))]
    reported = {(cell.bucket, cell.ipc): cell for cell in (earlier.cells if earlier else ()) if cell.ipc in same}
    cells = []
    for (name, ipc), result in zip(places, results, strict=True):
        published = published_pools(settings.source, ipc) if settings.method_settings["name"] == "dm" else {}
        empty = name not in (RANDOM, ALL) and pool.networks.get(name) == 0
        cell = BucketScore(bucket=name, ipc=ipc, sets=settings.seeds, published=published.get(name), empty=empty, **result)
        cells.append(cell.filled_from(reported.get((name, ipc))))
    return Ablation(settings, folder, tuple(cells), pool)


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
