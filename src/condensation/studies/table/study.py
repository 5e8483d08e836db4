"""The table of the papers: methods at several numbers of images per class, each condensed with several seeds, beside what is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from condensation.config.build import from_dict
from condensation.config.registry import lookup
from condensation.config.toml import apply_override
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, unknown
from condensation.core.ipc import SmallClasses
from condensation.core.plain import to_dict
from condensation.core.user_code import short_name
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.base import Method
from condensation.runs.presets import preset_for
from condensation.runs.run import RunSettings
from condensation.studies.jobs import Job, Watch, check_all, claim_all, run_jobs
from condensation.studies.published_numbers import Column, columns
from condensation.studies.study_folder import in_use, keep, kept_in, slug
from condensation.training.train import Recipe

RUNS = "runs"
NO_COLUMN = "none"


@dataclass(frozen=True)
class NamedMethod:
    """A method with its settings, and what it is called: one method may stand in a study several times."""

    label: str
    method: str | dict[str, object]  # as for `condense run`: a name, or settings over those of the preset

    @property
    def method_settings(self) -> dict[str, object]:
        return {"name": self.method} if isinstance(self.method, str) else self.method


M = TypeVar("M", bound=NamedMethod)


@dataclass(frozen=True)
class Row(NamedMethod):
    """A row of the table: a method with its settings, and how it is judged where that is not as the table's other rows are."""

    evaluation: dict[str, object] = field(default_factory=dict)  # settings over the table's
    epochs: int | None = None  # at most, of the networks that judge; None: as many as the table says
    published: str = ""  # the column of published numbers beside it; "": the one that fits; "none": none
    ipc: tuple[int, ...] = ()  # where it stands, of the table's; (): everywhere
    seeds: int | None = None  # sets at each ipc; None: as many as the table says

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise CondensationError(f"seeds of the row {self.label!r} is {self.seeds}; it must be at least 1, or left out.")

    def stands_at(self, ipc: int) -> bool:
        """Whether it has a cell at ``ipc``."""
        return not self.ipc or ipc in self.ipc


@dataclass(frozen=True)
class TableSettings:
    """Everything that decides a table. By default all is as published, but for how long that takes."""

    rows: tuple[Row, ...]
    data: str | dict[str, object] = "fashion-mini"  # a source, or settings of the data
    ipc: tuple[int, ...] = (1, 10, 50)
    seeds: int = 5  # sets of each method at each ipc
    networks: int = 20  # that judge each set
    epochs: int = 1000  # of the published recipe
    preset: str = "paper"  # of the methods' settings
    small_classes: SmallClasses = "error"
    evaluation: dict[str, object] = field(default_factory=dict)  # settings of judging, over all that
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        for name in ("seeds", "networks", "epochs"):
            if getattr(self, name) < 1:
                raise CondensationError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.ipc or not self.rows:
            raise CondensationError("A table needs a row and an ipc.\nName methods with --methods, and numbers with --ipc 1,10.")
        for kind, names in (("ipc", [str(ipc) for ipc in self.ipc]), ("row", [slug(row.label) for row in self.rows])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise CondensationError(f"The table has {kind} {twice[0]!r} twice.\nGive each {kind} once; rows differ in their labels.")
        for row in self.rows:
            elsewhere = [ipc for ipc in row.ipc if ipc not in self.ipc]
            if elsewhere:
                raise CondensationError(
                    f"The row {row.label!r} stands at ipc {elsewhere[0]}, but the table is of ipc {', '.join(map(str, self.ipc))}.\n"
                    "Give the table that ipc as well, or leave it out of the row."
                )

    def seeds_of(self, row: Row) -> int:
        """How many sets of ``row`` there are at each ipc."""
        return row.seeds or self.seeds

    @property
    def data_settings(self) -> dict[str, object]:
        return {"source": self.data} if isinstance(self.data, str) else self.data

    @property
    def source(self) -> str:
        return str(self.data_settings.get("source", "fashion-mini"))


def rows_for(methods: Sequence[str]) -> tuple[Row, ...]:
    """A row for each method, judged as was published; Random twice, since the papers' is trained without augmentation.

    Raises:
        CondensationError: if there is no such method.
    """
    rows: list[Row] = []
    for name in methods:
        lookup(Method, name)  # there must be such a method
        known = {key: column for key, column in columns().items() if column.method["name"] == name}
        rows += [_row_of(key, column) for key, column in known.items()] or [Row(short_name(name), name)]
    return tuple(rows)


def with_overrides(
    rows: Sequence[M], overrides: Sequence[str], kind: type = TableSettings, what: str = "row and no setting of a table"
) -> tuple[tuple[M, ...], list[str]]:
    """``rows`` changed by overrides such as ``dm.steps=500``, which begin with a method's name; and the other overrides.

    Raises:
        CondensationError: for an override that is neither of a row's method nor a setting of a study of this ``kind``.
    """
    known = sorted(one.name for one in fields(kind) if one.name not in ("rows", "proxies"))
    changed, others = list(rows), []
    for override in overrides:
        name, _, setting = override.partition(".")
        mine = [place for place, row in enumerate(changed) if row.method_settings.get("name") == name]
        for place in mine:
            changed[place] = replace(changed[place], method=apply_override(changed[place].method_settings, setting))
        if not mine and name.partition("=")[0] not in known:
            methods = dict.fromkeys(str(row.method_settings.get("name")) for row in rows)
            raise CondensationError(f"{override} is of no {what}.\nIt may begin with: {', '.join([*methods, *known])}.")
        if not mine:
            others.append(override)
    return tuple(changed), others


def run_table(settings: TableSettings, out: str | Path, watch: Watch = Watch()) -> dict[str, Any]:
    """Do what is missing of the table in the folder ``out``, a run folder for each set; return what failed, name -> reason.

    The same again does nothing again; one that was broken off goes on. More rows, seeds or ipc are added to what is there.

    Raises:
        CondensationError: if anything in the settings cannot be done, or a folder holds a run with other settings.
        Stopped: if ``watch`` asked for it; nothing is lost.
    """
    folder = Path(out)
    if in_use(folder):
        settings_in(folder)
    jobs = jobs_of(settings)
    claim_all(jobs, folder / RUNS)
    data = jobs[0].settings.data.load(watch.on_reading)
    check_all(jobs, data)
    keep(folder, settings, data)
    return run_jobs(jobs, folder / RUNS, data, watch)


def settings_in(folder: str | Path) -> TableSettings:
    """The settings of the table in ``folder``.

    Raises:
        CondensationError: if there is none.
    """
    otherwise = f"There is no table in {folder}.\nMake one: condense table --data NAME --methods random,dm --out {folder}"
    return kept_in(folder, TableSettings, "rows", otherwise)


def jobs_of(settings: TableSettings) -> list[Job]:
    """All runs of a table: of each seed the whole table, so that what is broken off early is a table already."""
    return [
        Job(name_of(row, ipc, seed), f"{row.label}, ipc {ipc}, seed {seed}", run_settings(settings, row, ipc, seed))
        for seed in range(max(map(settings.seeds_of, settings.rows)))
        for ipc in settings.ipc
        for row in settings.rows
        if row.stands_at(ipc) and seed < settings.seeds_of(row)
    ]


def name_of(row: Row, ipc: int, seed: int) -> str:
    """Of the run folder of one set."""
    return f"{slug(row.label)}-ipc{ipc}-seed{seed}"


def run_settings(settings: TableSettings, row: Row, ipc: int, seed: int) -> RunSettings:
    """The run of one set: the preset's settings of the method, the published judging, and over both what table and row say."""
    content: dict[str, object] = {"data": settings.data_settings, "method": row.method_settings, "ipc": ipc}
    epochs = min(settings.epochs, row.epochs or settings.epochs)
    base = replace(
        preset_for(settings.preset, content),
        data=preset_for("paper", content).data,
        baseline=False,
        evaluation=EvaluationSettings(settings.networks, recipe=Recipe.paper(epochs)),
        compute=settings.compute,
    )
    evaluation = _over(settings.evaluation, row.evaluation)
    return from_dict(RunSettings, {**content, "small_classes": settings.small_classes, "seed": seed, "evaluation": evaluation}, base)


def column_of(settings: TableSettings, row: Row, ipc: int) -> str | None:
    """Which column of published numbers stands beside ``row``: of this method, in the settings that the column names, judged alike.

    Raises:
        CondensationError: if the row asks for a column that there is not.
    """
    if row.published == NO_COLUMN:
        return None
    if row.published:
        if row.published not in columns():
            raise unknown("published column", row.published, columns())
        return row.published
    ours = run_settings(settings, row, ipc, 0)
    method, augmented = to_dict(ours.method), ours.evaluation.recipe.augmentation is not None
    for name, column in columns().items():
        if column.method["name"] == method["name"] and column.augmented == augmented:
            published = to_dict(from_dict(Method, dict(column.method)))  # type: ignore[type-abstract]
            if all(method[key] == published[key] for key in column.method):
                return name
    return None


def published_settings(settings: TableSettings, column: str, ipc: int) -> RunSettings:
    """What the paper did for a number of ``column``, on the data of ``settings``."""
    source: dict[str, object] = {"source": settings.source, "folder": settings.data_settings.get("folder")}
    as_published = TableSettings(rows=(_row_of(column, columns()[column]),), data=source, ipc=(ipc,), networks=columns()[column].networks)
    return run_settings(as_published, as_published.rows[0], ipc, 0)


def _row_of(name: str, column: Column) -> Row:
    bare: dict[str, object] = {} if column.augmented else {"recipe": {"augmentation": "none"}}
    return Row(column.title, dict(column.method), bare, column.epochs, name)


def _over(under: Any, over: Any) -> Any:
    """Plain settings with others laid over them, part by part."""
    if not isinstance(over, Mapping):
        return over
    if isinstance(under, str):
        under = {"name": under}
    kept = dict(under) if isinstance(under, Mapping) else {}
    return {**kept, **{key: _over(kept.get(key), value) for key, value in over.items()}}
