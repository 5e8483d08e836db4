"""What an ablation of `condensation.studies.pools.study` holds so far: as JSON, as Markdown, as a curve and as images."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write, write_json
from condensation.core.text import counted
from condensation.methods.dm import DM
from condensation.networks.pool_store import ALL, POOL_FILE, RANDOM, PoolStore
from condensation.networks.samplers import Fresh
from condensation.report.tables import markdown_table
from condensation.runs.advice import network_label
from condensation.runs.presets import preset_for
from condensation.runs.run import SCORES, RunSettings, describe
from condensation.studies.jobs import FINISHED, failures_in, state
from condensation.studies.pools.figure import curve, rows, title
from condensation.studies.pools.study import POOL, RUNS, PoolsSettings, base_of, counts_of, job_bucket, jobs_of, network_for
from condensation.studies.published_numbers import UNVERIFIED, Number, of_pools, sources
from condensation.studies.scores import Scored
from condensation.studies.study_folder import SETTINGS
from condensation.studies.table.cells import differences
from condensation.studies.table.report import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

JSON, MARKDOWN, PICTURE, IMAGES = "pools.json", "pools.md", "pools.png", "images.png"
NAMED = {RANDOM: "new networks"}  # what stands in the table where there is no count


@dataclass(frozen=True)
class BucketScore(Scored):
    """A cell of the table: test accuracies in percent, of the sets learned on one bucket at one ipc."""

    bucket: str
    ipc: int
    values: tuple[tuple[float, ...], ...]  # (sets, networks), of the sets that are done
    sets: int  # that are asked for
    runs: tuple[str, ...]  # their folders
    failed: Mapping[str, str]
    published: Number | None
    empty: bool = False  # there is no network in the bucket

    def __str__(self) -> str:
        return "no network" if self.empty else super().__str__()


@dataclass(frozen=True, eq=False)
class Ablation:
    """The table in a folder, as far as it is done."""

    settings: PoolsSettings
    folder: Path
    cells: tuple[BucketScore, ...]  # ipc by ipc
    networks: Mapping[str, int]  # states of networks in each bucket; nothing while the pool is not finished
    accuracies: tuple[float, ...]  # on validation images, of all of them

    def at(self, ipc: int) -> list[BucketScore]:
        """The cells of one ipc, bucket by bucket."""
        return [cell for cell in self.cells if cell.ipc == ipc]

    def published(self, ipc: int) -> list[float]:
        """What is published for the buckets here."""
        return [cell.published.mean for cell in self.at(ipc) if cell.published]

    def spread(self, ipc: int) -> float | None:
        """How many points lie between the best and the worst bucket; None where there are not two."""
        means = [cell.mean for cell in self.at(ipc) if cell.values]
        return max(means) - min(means) if len(means) > 1 else None

    def plot(self) -> Figure:
        """Accuracy by bucket, a panel for each ipc: ours filled, published hollow, deviations as bars."""
        return curve(self)

    def images(self, ipc: int | None = None) -> Image:
        """A row for each bucket: of every class the first image learned by it, at ``ipc`` or the last ipc asked for.

        Raises:
            CondensationError: if no set of that ipc is there yet.
        """
        return rows(self, self.settings.ipc[-1] if ipc is None else ipc)


def ablation(settings: PoolsSettings, folder: str | Path) -> Ablation:
    """What is in ``folder`` so far."""
    folder = Path(folder)
    networks, accuracies = _pool(settings, folder)
    failures = failures_in(folder / RUNS)
    found = []
    for ipc in settings.ipc:
        theirs = of_pools(settings.source, ipc) if settings.method_settings["name"] == "dm" else {}
        for bucket in settings.names:
            jobs = [job for job in jobs_of(settings, folder) if job_bucket(job) == bucket and job.settings.ipc == ipc]
            done = [job.name for job in jobs if state(job, folder / RUNS, failures) == FINISHED]
            values = [next(iter(read_json(folder / RUNS / name / SCORES)["sets"].values()))["values"][0] for name in done]
            failed = {job.name: str(failures[job.name]["reason"]) for job in jobs if job.name in failures}
            empty = bucket not in (RANDOM, ALL) and networks.get(bucket) == 0
            cell = BucketScore(bucket, ipc, tuple(map(tuple, values)), len(jobs), tuple(done), failed, theirs.get(bucket), empty)
            found.append(cell)
    return Ablation(settings, folder, tuple(found), networks, accuracies)


def write_pools(settings: PoolsSettings, folder: str | Path) -> Ablation:
    """Write ``pools.json``, ``pools.md``, ``pools.png`` and ``images.png`` from what is in ``folder`` so far."""
    folder = Path(folder)
    found = ablation(settings, folder)
    write_json(folder / JSON, as_json(found))
    write(folder / MARKDOWN, markdown(found).encode())
    there = _pictures(found)
    if PICTURE in there:
        write(folder / PICTURE, png(found.plot()))
    if IMAGES in there:
        buffer = io.BytesIO()
        found.images().save(buffer, "PNG", optimize=True)
        write(folder / IMAGES, buffer.getvalue())
    return found


def _pictures(found: Ablation) -> list[str]:
    """The pictures that can be drawn so far."""
    there = {PICTURE: any(cell.values for cell in found.cells), IMAGES: any(cell.runs for cell in found.at(found.settings.ipc[-1]))}
    return [name for name, is_there in there.items() if is_there]


def columns(found: Ablation) -> tuple[str, ...]:
    """The head of the table; where something is published, it stands beside ours."""
    of_ipc = ((f"ipc {ipc}", "published") if found.published(ipc) else (f"ipc {ipc}",) for ipc in found.settings.ipc)
    return ("validation accuracy, %", "in the pool", *(name for names in of_ipc for name in names))


def lines(found: Ablation) -> list[tuple[str, ...]]:
    """The table, a line a bucket."""
    made = []
    for bucket in found.settings.names:
        cells = [cell for cell in found.cells if cell.bucket == bucket]
        there = NAMED.get(bucket, str(found.networks[bucket]) if bucket in found.networks else "-")
        numbers = [(str(cell), str(cell.published or "-")) if found.published(cell.ipc) else (str(cell),) for cell in cells]
        made.append((bucket, there, *(text for pair in numbers for text in pair)))
    return made


def notes(found: Ablation) -> list[str]:
    """What must be said below the table."""
    settings, how = found.settings, found.settings.evaluation
    sets = f"{counted(settings.seeds, 'set')} x {counted(how.networks, 'network')} of {counted(how.recipe.epochs, 'epoch')}"
    said = [f"Test accuracy in percent: mean and deviation over {sets}. Each set: {_described(settings)}."]
    pool, network = settings.pool, network_label(network_for(settings))
    said.append(
        f"The pool: {counted(pool.networks, 'network')} ({network}), trained for {counted(pool.recipe.epochs, 'epoch')} on "
        f"{100 * (1 - pool.validation):g} % of the training images. Accuracies are on the other {100 * pool.validation:g} %."
    )
    for ipc in settings.ipc:
        ours = found.spread(ipc)
        theirs = found.published(ipc)
        published = f" (published: {max(theirs) - min(theirs):.1f})" if theirs else ""
        said += [f"ipc {ipc}: best and worst bucket are {ours:.1f} points apart{published}."] if ours is not None else []
    empty = list(dict.fromkeys(cell.bucket for cell in found.cells if cell.empty))
    if empty:
        reached = f"are {found.accuracies[0]:.1f} to {found.accuracies[-1]:.1f} %" if found.accuracies else "are not known"
        said.append(
            f"No network is in {', '.join(empty)}: validation accuracies {reached}. "
            "Train longer (--pool-epochs), look more often (pool.growth), or choose other buckets (--bounds, --buckets)."
        )
    for ipc in settings.ipc:
        differing = _differences(settings, ipc) if found.published(ipc) else ()
        said += [f"ipc {ipc}, otherwise than published: {', '.join(differing)}."] if differing else []
    used = dict.fromkeys(cell.published.source for cell in found.cells if cell.published)
    said += [f"Published{'?' if one == UNVERIFIED else ''}: {sources()[one]}." for one in used]
    return [*said, *(f"{run} failed: {reason}" for cell in found.cells for run, reason in cell.failed.items())]


def markdown(found: Ablation) -> str:
    """The table, its pictures and its notes."""
    head = columns(found)
    table = markdown_table(head, lines(found))
    pictures = "\n".join(f"![{name}]({name})" for name in _pictures(found))
    listed = "\n".join(f"- {line}" for line in notes(found))
    return f"# {title(found.settings)}\n\n{table}\n\n{pictures}\n\n{listed}\n"


def as_json(found: Ablation) -> dict[str, Any]:
    """The table with everything that is known of it."""
    about = read_json(found.folder / SETTINGS)
    pool = {"networks": dict(found.networks), "accuracies": list(found.accuracies)}
    return {
        "settings": to_dict(found.settings),
        "pool": {**pool, "network": to_dict(network_for(found.settings))},
        "cells": [_cell(cell) for cell in found.cells],
        "spread": {str(ipc): found.spread(ipc) for ipc in found.settings.ipc},
        "notes": notes(found),
        **{key: about.get(key) for key in ("data", "versions", "machine")},
    }


def _pool(settings: PoolsSettings, folder: Path) -> tuple[dict[str, int], tuple[float, ...]]:
    """What is in the pool, once it is finished."""
    if not (folder / POOL / POOL_FILE).exists():
        return {}, ()
    store = PoolStore.open(folder / POOL)
    return ({}, ()) if store.missing() else (dict(counts_of(store, settings.names)), tuple(store.accuracies()))


def _differences(settings: PoolsSettings, ipc: int) -> tuple[str, ...]:
    """In what sets and their judging differ from the published ones, which were those of DM otherwise; of the pool nothing is known."""
    ours = base_of(settings, ipc)
    content = {"data": {"source": settings.source}, "method": "dm", "ipc": ipc}
    theirs = from_dict(RunSettings, content, preset_for("paper", content))
    if isinstance(ours.method, DM):  # whose networks come from the buckets
        ours = replace(ours, method=replace(ours.method, networks=Fresh(network_for(settings))))
    return differences(ours, theirs)


def _described(settings: PoolsSettings) -> str:
    runs = [job.settings for job in jobs_of(settings, "")]
    return "; ".join(dict.fromkeys(describe(run) for run in runs))


def _cell(cell: BucketScore) -> dict[str, Any]:
    known: dict[str, Any] = {"bucket": cell.bucket, "ipc": cell.ipc, "sets": cell.sets, "runs": list(cell.runs), "empty": cell.empty}
    if cell.values:
        known |= {"mean": round(cell.mean, 3), "deviation": round(cell.deviation, 3), "count": sum(map(len, cell.values))}
    theirs = to_dict(cell.published) if cell.published else None
    return {**known, "values": [list(of_set) for of_set in cell.values], "published": theirs, "failed": dict(cell.failed)}
