"""Table of the papers: methods at several numbers of images per class, each condensed with several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from condensation.config.build import from_dict
from condensation.config.registry import lookup
from condensation.config.toml import apply_override
from condensation.core.errors import CondensationError, unknown
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.storage import entries
from condensation.core.trust import given_names
from condensation.core.user_code import short_name
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.base import Method
from condensation.runs.presets import preset_for
from condensation.runs.settings import RunSettings
from condensation.studies.jobs import Job, check_all, claim_all, job_tasks
from condensation.studies.published_numbers import Column, columns, successor
from condensation.studies.settings import StudySettings, require_at_least, require_unique, setting_of
from condensation.studies.study_folder import settings_in, slug
from condensation.studies.tasks import Lazy, TaskList
from condensation.training.train import Recipe

RUNS = "runs"
NO_COLUMN = "none"


@dataclass(frozen=True)
class NamedMethod:
    """A method with its settings and a label; a study may use one method several times."""

    label: str
    """Name in tables and file names."""
    method: str | dict[str, object]
    """Name of the method, or settings on top of those of the preset."""

    @property
    def method_settings(self) -> dict[str, object]:
        """Settings of the method."""
        return {"name": self.method} if isinstance(self.method, str) else self.method


M = TypeVar("M", bound=NamedMethod)


@dataclass(frozen=True)
class TableRow(NamedMethod):
    """A row of the table."""

    evaluation: dict[str, object] = field(default_factory=dict)
    """Evaluation settings on top of those of the table."""
    epochs: int | None = None
    """At most so many epochs of each evaluation network; None for the epochs of the table."""
    published: str = ""
    """Column of published numbers beside the row; empty for the one that fits, ``none`` for none."""
    ipc: tuple[int, ...] = ()
    """Images per class of its cells, a part of those of the table; empty for all."""
    seeds: int | None = None
    """Sets at each ipc; None for the number of the table."""

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise CondensationError(f"seeds of the row {self.label!r} is {self.seeds}; it must be at least 1.", setting="rows")

    def has_cell_at(self, ipc: int) -> bool:
        """Return True if the row has a cell at ``ipc``."""
        return not self.ipc or ipc in self.ipc


@dataclass(frozen=True)
class TableSettings(StudySettings):
    """Settings of a table. The defaults are those of the papers."""

    noun: ClassVar[str] = "table"
    mark: ClassVar[str] = "rows"

    rows: tuple[TableRow, ...]
    """Methods to compare."""
    ipc: tuple[int, ...] = (1, 10, 50)
    """Images per class."""
    seeds: int = 5
    """Sets of each method at each ipc."""
    networks: int = 20
    """Evaluation networks of each set."""
    epochs: int = 1000
    """Epochs of the published recipe."""
    evaluation: dict[str, object] = field(default_factory=dict)
    """Evaluation settings on top of the published ones."""
    published: tuple[str, ...] = ()
    """Later methods whose published numbers are shown too, such as ``idc`` and ``dance``."""
    preset: str = field(default="paper", kw_only=True)
    """Preset of the method settings."""

    def __post_init__(self) -> None:
        require_at_least(self, {"seeds": 1, "networks": 1, "epochs": 1})
        if not self.ipc or not self.rows:
            raise CondensationError("A table needs at least one row and one ipc.", setting="ipc" if self.rows else "rows")
        require_unique("ipc", map(str, self.ipc))
        require_unique("rows", (slug(row.label) for row in self.rows))
        require_unique("published", (successor(name).title for name in self.published))
        for row in self.rows:
            others = [ipc for ipc in row.ipc if ipc not in self.ipc]
            if others:
                problem = f"The row {row.label!r} has ipc {others[0]}, but the table has ipc {', '.join(map(str, self.ipc))}."
                raise CondensationError(problem, hint="Add that ipc to the table, or remove it from the row.", setting="rows")

    def seeds_of(self, row: TableRow) -> int:
        """Return the number of sets of ``row`` at each ipc."""
        return row.seeds or self.seeds


def rows_for(methods: Sequence[str]) -> tuple[TableRow, ...]:
    """Return the rows of ``methods`` with their published evaluation; Random has two, without and with augmentation."""
    rows: list[TableRow] = []
    for name in methods:
        lookup(Method, name)  # raises for an unknown name
        known = {key: column for key, column in columns().items() if column.method["name"] == name}
        rows += [_row_of(key, column) for key, column in known.items()] or [TableRow(short_name(name), name)]
    return tuple(rows)


def with_overrides(methods: Sequence[M], overrides: Sequence[str], kind: type) -> tuple[tuple[M, ...], list[str]]:
    """Apply overrides such as ``dm.steps=500`` to ``methods``; return these and the other overrides, which set a field of ``kind``."""
    known = sorted(each.name for each in fields(kind) if each.name not in ("rows", "proxies"))
    changed, others = list(methods), []
    for override in overrides:
        found = {place: setting for place, method in enumerate(changed) if (setting := setting_of(override, _name_of(method)))}
        for place, setting in found.items():
            changed[place] = replace(changed[place], method=apply_override(changed[place].method_settings, setting))
        if not found and override.partition(".")[0].partition("=")[0] not in known:
            names = dict.fromkeys(map(_name_of, methods))
            hint = f"It may begin with: {', '.join([*names, *known])}."
            raise CondensationError(f"{override} names neither a method nor a setting of this study.", hint=hint)
        if not found:
            others.append(override)
    return tuple(changed), others


def _name_of(method: NamedMethod) -> str:
    return str(method.method_settings.get("name"))


def claim_table(settings: TableSettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds no table; rows, seeds and ipc may be added to one."""
    if entries(folder):
        settings_in(folder, TableSettings, trust=given_names(to_dict(settings)))
    claim_all(table_jobs(settings), folder / RUNS)


def table_tasks(settings: TableSettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the runs of the table in ``folder``."""
    jobs = table_jobs(settings)
    data = Lazy(partial(jobs[0].settings.data.load, on_reading))
    return TaskList(job_tasks(jobs, folder, RUNS, data), [data()], lambda: check_all(jobs, data()), memory=[data])


def table_jobs(settings: TableSettings, folder: Path | None = None) -> list[Job]:
    """Return all runs: the whole table of one seed comes before the next seed, so that an interrupted table is useful."""
    return [
        cell_job(settings, row, ipc, seed)
        for seed in range(max(map(settings.seeds_of, settings.rows)))
        for ipc in settings.ipc
        for row in settings.rows
        if row.has_cell_at(ipc) and seed < settings.seeds_of(row)
    ]


def cell_job(settings: TableSettings, row: TableRow, ipc: int, seed: int) -> Job:
    """Return the run of one set."""
    name = f"{slug(row.label)}-ipc{ipc}-seed{seed}"
    return Job(name, f"{row.label}, ipc {ipc}, seed {seed}", row_run(settings, row, ipc, seed))


def row_run(settings: TableSettings, row: TableRow, ipc: int, seed: int) -> RunSettings:
    """Return the settings of the run of one set: preset and published evaluation, changed by the table, then by the row."""
    content: dict[str, object] = {"data": settings.data_settings, "method": row.method_settings, "ipc": ipc}
    evaluation = _overlaid(settings.evaluation, row.evaluation)
    recipe, published = evaluation.get("recipe"), Recipe.paper(min(settings.epochs, row.epochs or settings.epochs))
    named = {"name": recipe} if isinstance(recipe, str) else recipe if isinstance(recipe, Mapping) else {}
    if "name" in named:  # by itself, it would have the epochs of its publication
        evaluation = {**evaluation, "recipe": {"epochs": settings.epochs, **named}}
    base = replace(
        preset_for(settings.preset, content),
        data=preset_for("paper", content).data,
        baseline=False,
        evaluation=EvaluationSettings(settings.networks, recipe=published),
        compute=settings.compute,
    )
    return from_dict(RunSettings, {**content, "small_classes": settings.small_classes, "seed": seed, "evaluation": evaluation}, base)


def table_recipe(settings: TableSettings) -> str:
    """Return the published recipe that evaluates a table, whatever its epochs: ``dm``, ``idc``, or an empty string for another one."""
    recipe = row_run(settings, TableRow("", "random"), settings.ipc[0], 0).evaluation.recipe
    if recipe == Recipe.with_cutmix(recipe.epochs):
        return "idc"
    return "dm" if recipe in (Recipe(recipe.epochs), Recipe.paper(recipe.epochs - 1)) else ""


def column_of(settings: TableSettings, row: TableRow, ipc: int) -> str | None:
    """Return the published column beside ``row``: the one that it names, or that of the same method with the column's settings."""
    if row.published == NO_COLUMN:
        return None
    if row.published:
        if row.published not in columns():
            raise unknown("published column", row.published, columns(), setting="rows")
        return row.published
    run = row_run(settings, row, ipc, 0)
    method, augmented = to_dict(run.method), run.evaluation.recipe.augmentation is not None
    for name, column in columns().items():
        if column.method["name"] == method["name"] and column.augmented == augmented:
            published = to_dict(from_dict(Method, dict(column.method)))  # type: ignore[type-abstract]
            if all(method[key] == published[key] for key in column.method):
                return name
    return None


def published_run(settings: TableSettings, column: str, ipc: int) -> RunSettings:
    """Return the settings of the published run of ``column``, on the data of ``settings``."""
    source: dict[str, object] = {"source": settings.source, "folder": settings.data_settings.get("folder")}
    row = _row_of(column, columns()[column])
    return row_run(TableSettings((row,), data=source, ipc=(ipc,), networks=columns()[column].networks), row, ipc, 0)


def _row_of(name: str, column: Column) -> TableRow:
    evaluation: dict[str, object] = {} if column.augmented else {"recipe": {"augmentation": "none"}}
    return TableRow(column.title, dict(column.method), evaluation, column.epochs, name)


def _overlaid(content: Any, over: Any) -> Any:
    """Return plain settings ``content`` with those of ``over`` on top, group by group."""
    if not isinstance(over, Mapping):
        return over
    if isinstance(content, str):
        content = {"name": content}
    lower = dict(content) if isinstance(content, Mapping) else {}
    return {**lower, **{key: _overlaid(lower.get(key), value) for key, value in over.items()}}
