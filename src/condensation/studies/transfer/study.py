"""Do sets learned on one network train others? A matrix: a row for the network learned on, a column for the one tested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.ipc import SmallClasses
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.evaluation.compare import Entry, EvaluationSettings, compare
from condensation.methods.base import Method
from condensation.networks.base import NetworkSpec
from condensation.networks.registry import NETWORKS
from condensation.runs.advice import network_label, suitable_lr
from condensation.runs.presets import preset_for
from condensation.runs.run import RunSettings
from condensation.studies.jobs import (
    FAILED,
    FINISHED,
    TO_DO,
    Job,
    Watch,
    attempt,
    check_all,
    claim_all,
    failures_in,
    note_failure,
    run_jobs,
)
from condensation.studies.study_folder import in_use, keep, kept_in, must_be_alike, slug

SETS, CELLS = "sets", "cells"
RANDOM = "random"
LEARN = tuple(NETWORKS[name] for name in ("convnet", "alexnet", "vgg11", "resnet18-ap"))
TEST = tuple(NETWORKS[name] for name in ("convnet", "alexnet", "vgg11", "resnet18"))


@dataclass(frozen=True)
class TransferSettings:
    """Everything that decides a matrix."""

    data: str | dict[str, object] = "fashion-mini"  # a source, or settings of the data
    method: str | dict[str, object] = "dm"  # as for `condense run`: a name, or settings over those of the preset
    learn: tuple[NetworkSpec, ...] = ()  # networks that images are learned on; (): `LEARN`, if the method learns on any
    test: tuple[NetworkSpec, ...] = TEST
    ipc: int = 10
    seeds: int = 1  # sets learned on each network
    evaluation: EvaluationSettings = EvaluationSettings()  # of each set on each network; its own network does not count
    preset: str = "fast"  # of the method's settings
    small_classes: SmallClasses = "error"
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.evaluation.networks < 1:
            raise CondensationError("Testing needs a seed and a network, at least one of each.\nGive --seeds and --networks from 1.")
        for kind, specs in (("learn", self.learn), ("test", self.test)):
            names = [slug(network_label(spec)) for spec in specs]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise CondensationError(f"{kind} has {twice[0]} twice.\nName each network once.")
        if not self.test:
            raise CondensationError("There is no network to test on.\nName some with --test.")

    @property
    def data_settings(self) -> dict[str, object]:
        return {"source": self.data} if isinstance(self.data, str) else self.data

    @property
    def method_settings(self) -> dict[str, object]:
        return {"name": self.method} if isinstance(self.method, str) else {"name": "dm", **self.method}

    @property
    def source(self) -> str:
        return str(self.data_settings.get("source", "fashion-mini"))


@dataclass(frozen=True)
class Learned:
    """A row of the matrix: how its sets are made."""

    label: str
    method: Method


def rows_of(settings: TransferSettings) -> list[Learned]:
    """The rows: random images, then a set learned on each network, each with the learning rate that suits it, unless one is given.

    Raises:
        CondensationError: if networks to learn on are named and the method learns on none.
    """
    base = preset_for(settings.preset, _content(settings))
    method = from_dict(RunSettings, _content(settings), base).method
    random = from_dict(Method, {"name": RANDOM})  # type: ignore[type-abstract]
    rows = [Learned(RANDOM, random)]
    if method.network is None:
        if settings.learn:
            raise CondensationError(f"{settings.method_settings['name']} learns images on no network.\nLeave --learn out.")
        own = str(settings.method_settings["name"])
        return rows if type(method) is type(random) else [*rows, Learned(own, method)]
    for spec in settings.learn or LEARN:
        on_it = method.with_network(spec)
        if on_it.lr is not None and "lr" not in settings.method_settings:
            on_it = on_it.with_lr(suitable_lr(on_it.lr, spec))
        rows.append(Learned(network_label(spec), on_it))
    return rows


def sets_of(settings: TransferSettings) -> list[Job]:
    """The runs that make the sets of all rows; they are not judged there."""
    base = from_dict(RunSettings, _content(settings), preset_for(settings.preset, _content(settings)))
    common = replace(
        base, baseline=False, evaluation=EvaluationSettings(networks=0), small_classes=settings.small_classes, compute=settings.compute
    )
    return [
        Job(set_name(row, seed), f"set of {row.label}, seed {seed}", replace(common, method=row.method, seed=seed))
        for seed in range(settings.seeds)
        for row in rows_of(settings)
    ]


def run_transfer(settings: TransferSettings, out: str | Path, watch: Watch = Watch()) -> dict[str, Any]:
    """Do what is missing of the matrix in the folder ``out``, set by set and then cell by cell; return what failed.

    Raises:
        CondensationError: if anything in the settings cannot be done, or the folder holds something else.
        Stopped: if ``watch`` asked for it; what is finished is kept, and the same again goes on.
    """
    folder = Path(out)
    _claim(settings, folder)
    jobs = sets_of(settings)
    claim_all(jobs, folder / SETS)
    data = jobs[0].settings.data.load(watch.on_reading)
    check_all(jobs, data)
    for spec in settings.test:
        replace(settings.evaluation, network=spec).check(data)
    keep(folder, settings, data)
    count = len(jobs) * (1 + len(settings.test))
    failed = run_jobs(jobs, folder / SETS, data, watch, count)
    failures = failures_in(folder / CELLS)
    cells = [(row, seed, spec) for seed in range(settings.seeds) for row in rows_of(settings) for spec in settings.test]
    for number, (row, seed, spec) in enumerate(cells, len(jobs) + 1):
        name = cell_name(row, seed, spec)
        there = (folder / CELLS / f"{name}.json").exists()
        if watch.on_job:
            how = FINISHED if there else FAILED if name in failures else TO_DO
            watch.on_job(number, count, f"{network_label(spec)}, trained on the set of {row.label}, seed {seed}", how)
        if there or set_name(row, seed) in failed:
            continue
        reason = attempt(partial(_test, settings, folder, row, seed, spec, data, watch))
        note_failure(folder / CELLS, failures, name, reason)
        if reason:
            failed[name] = reason
    return failed


def cell_name(row: Learned, seed: int, spec: NetworkSpec) -> str:
    """Of the file that holds what one set is worth on one network."""
    return f"{slug(row.label)}-seed{seed}-on-{slug(network_label(spec))}"


def _test(settings: TransferSettings, folder: Path, row: Learned, seed: int, spec: NetworkSpec, data: Data, watch: Watch) -> None:
    condensed = CondensedSet.load(folder / SETS / set_name(row, seed))
    how = replace(settings.evaluation, network=spec)
    scores = compare([Entry(row.label, condensed.images)], data, how, seed, settings.compute, watch.on_progress)
    write_json(folder / CELLS / f"{cell_name(row, seed, spec)}.json", scores.to_json())


def _claim(settings: TransferSettings, folder: Path) -> None:
    """Make sure that ``folder`` is free, or holds a matrix that was judged in the same way."""
    if in_use(folder):
        kept, wanted = ({"evaluation": to_dict(one.evaluation)} for one in (transfer_in(folder), settings))
        must_be_alike(folder, "another matrix", kept, wanted)


def transfer_in(folder: str | Path) -> TransferSettings:
    """The settings of the matrix in ``folder``.

    Raises:
        CondensationError: if there is none.
    """
    otherwise = f"There is no matrix in {folder}.\nMake one: condense transfer --data NAME --out {folder}"
    return kept_in(folder, TransferSettings, "learn", otherwise)


def _content(settings: TransferSettings) -> dict[str, object]:
    return {"data": settings.data_settings, "method": settings.method_settings, "ipc": settings.ipc}


def set_name(row: Learned, seed: int) -> str:
    """Of the run folder of one set."""
    return f"{slug(row.label)}-seed{seed}"
