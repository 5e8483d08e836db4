"""Transfer between architectures: a matrix with a row per network learned on and a column per network tested."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.evaluation.compare import Entry, EvaluationSettings, compare
from condensation.evaluation.scores import Scores
from condensation.methods.base import Method
from condensation.methods.random import Random
from condensation.networks.base import NetworkSpec
from condensation.networks.registry import NETWORKS
from condensation.runs.advice import network_label
from condensation.studies.jobs import Job, check_all, claim_all, job_tasks, scores_text
from condensation.studies.settings import StudySettings, method_content, require_at_least, require_unique
from condensation.studies.study_folder import claim_folder, slug
from condensation.studies.tasks import Lazy, Task, TaskList, Watch, file_state

SETS, CELLS = "sets", "cells"
RANDOM = "random"
LEARN = tuple(NETWORKS[name] for name in ("convnet", "alexnet", "vgg11", "resnet18-ap"))
TEST = tuple(NETWORKS[name] for name in ("convnet", "alexnet", "vgg11", "resnet18"))


@dataclass(frozen=True)
class TransferSettings(StudySettings):
    """Settings of a transfer matrix."""

    noun: ClassVar[str] = "transfer matrix"
    mark: ClassVar[str] = "learn"

    method: str | dict[str, object] = "dm"
    """Name of the method, or settings on top of those of the preset."""
    learn: tuple[NetworkSpec, ...] = ()
    """Networks to learn images on; empty for `LEARN`, if the method learns on networks."""
    test: tuple[NetworkSpec, ...] = TEST
    """Networks to test on."""
    ipc: int = 10
    """Images per class."""
    seeds: int = 1
    """Sets learned on each network."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Evaluation of each set on each network of `test`, which replaces its own network."""

    def __post_init__(self) -> None:
        require_at_least(self, {"seeds": 1, "evaluation.networks": 1})
        require_unique("learn", (slug(network_label(spec)) for spec in self.learn))
        require_unique("test", (slug(network_label(spec)) for spec in self.test))
        if not self.test:
            raise CondensationError("There is no network to test on.", hint="Name at least one in test.", setting="test")

    @property
    def method_settings(self) -> dict[str, object]:
        """Settings of the method, with its name."""
        return method_content(self.method)


@dataclass(frozen=True)
class TransferRow:
    """A row of the matrix: the method that makes its sets."""

    label: str
    method: Method

    def set_name(self, seed: int) -> str:
        """Return the run folder of one set."""
        return f"{slug(self.label)}-seed{seed}"

    def cell_name(self, seed: int, spec: NetworkSpec) -> str:
        """Return the stem of the file with the scores of one set on one network."""
        return f"{self.set_name(seed)}-on-{slug(network_label(spec))}"


def transfer_rows(settings: TransferSettings) -> list[TransferRow]:
    """Return the rows: random images in the form of the method, then one per network, with its learning rate unless one is given."""
    method = settings.run_of(settings.method_settings, settings.ipc).method
    random = Random(method.set_form)
    rows = [TransferRow(RANDOM, random)]
    if method.network is None:
        name = str(settings.method_settings["name"])
        if settings.learn:
            raise CondensationError(f"{name} learns images on no network.", hint="Leave learn empty.", setting="learn")
        return rows if isinstance(method, Random) else [*rows, TransferRow(name, method)]
    for spec in settings.learn or LEARN:
        learner = method.with_network(spec)
        if learner.lr is not None and "lr" not in settings.method_settings:
            learner = learner.with_lr(learner.lr * spec.pixel_lr)
        rows.append(TransferRow(network_label(spec), learner))
    return rows


def transfer_jobs(settings: TransferSettings, folder: Path | None = None) -> list[Job]:
    """Return the runs that make the sets of all rows; they are not evaluated there."""
    base = settings.run_of(settings.method_settings, settings.ipc)
    return [
        Job(row.set_name(seed), f"set of {row.label}, seed {seed}", replace(base, method=row.method, seed=seed))
        for seed in range(settings.seeds)
        for row in transfer_rows(settings)
    ]


def claim_transfer(settings: TransferSettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than this matrix."""
    claim_folder(folder, settings, lambda each: {"evaluation": to_dict(each.evaluation)})
    claim_all(transfer_jobs(settings), folder / SETS)


def transfer_tasks(settings: TransferSettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the sets of the matrix in ``folder``, then its cells."""
    jobs = transfer_jobs(settings)
    data = Lazy(partial(jobs[0].settings.data.load, on_reading))

    def check() -> None:
        check_all(jobs, data())
        for spec in settings.test:
            replace(settings.evaluation, network=spec).check(data())

    cells = [
        _cell_task(settings, folder, row, seed, spec, data)
        for seed in range(settings.seeds)
        for row in transfer_rows(settings)
        for spec in settings.test
    ]
    return TaskList([*job_tasks(jobs, folder, SETS, data), *cells], [data()], check, memory=[data])


def _cell_task(settings: TransferSettings, folder: Path, row: TransferRow, seed: int, spec: NetworkSpec, data: Lazy[Data]) -> Task:
    name = row.cell_name(seed, spec)
    path = folder / CELLS / f"{name}.json"
    return Task(
        name=name,
        group=CELLS,
        title=f"{network_label(spec)}, trained on the set of {row.label}, seed {seed}",
        work=lambda watch: _test(settings, folder, row, seed, spec, data(), watch),
        state=lambda failures: file_state(path, name, failures),
        needs=(f"{SETS}/{row.set_name(seed)}",),
        result=lambda: scores_text(Scores.read(path)),
    )


def _test(settings: TransferSettings, folder: Path, row: TransferRow, seed: int, spec: NetworkSpec, data: Data, watch: Watch) -> None:
    condensed = CondensedSet.load(folder / SETS / row.set_name(seed))
    evaluation = replace(settings.evaluation, network=spec)
    scores = compare([Entry(row.label, condensed.images)], data, evaluation, seed, settings.compute, watch.on_progress)
    write_json(folder / CELLS / f"{row.cell_name(seed, spec)}.json", scores.to_json())
