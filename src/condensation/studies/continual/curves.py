"""Curves of continual learning: accuracy after each step, one curve per method."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from condensation.config.build import from_dict
from condensation.core.errors import naming
from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.trust import from_file, given_names
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.files import SETTINGS as RUN_SETTINGS
from condensation.runs.presets import preset_for
from condensation.runs.settings import RunSettings
from condensation.studies.continual.study import MEMORIES, STEPS, ContinualSettings, MemoryStep, decisive_settings, shared_name
from condensation.studies.published_numbers import Number, columns as published_columns, continual_protocol, published_continual
from condensation.studies.scores import ScoredCell, completed
from condensation.studies.study import ReportRecord, earlier_report
from condensation.studies.study_folder import StudyRecord
from condensation.studies.table.cells import differences
from condensation.studies.tasks import Failures, failures_in
from condensation.training.train import Recipe


@dataclass(frozen=True, kw_only=True)
class StepScore(ScoredCell):
    """A point of a curve: accuracies on all that was learned so far."""

    count_field: ClassVar[str] = "orders"
    labels: ClassVar[tuple[str, ...]] = ("step",)

    step: int  # number of the step, from 1
    seen: int | None = None  # classes or data sets learned so far; None while no order is available
    orders: int  # number of orders asked for


@dataclass(frozen=True)
class StepRecord:
    """Part of the file of a step that is read again."""

    values: tuple[float, ...]
    seen: int


@dataclass(frozen=True)
class ContinualRecord(ReportRecord):
    """Part of ``continual.json`` that is read again."""

    curves: dict[str, tuple[StepScore, ...]]
    methods: dict[str, Any] = field(default_factory=dict)
    differences: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Curves:
    """The curves in a folder, finished or not."""

    settings: ContinualSettings
    steps: Mapping[str, tuple[StepScore, ...]]  # points of each method, step by step
    published: Mapping[str, Number]  # published accuracy of each method after the last step
    differences: Mapping[str, tuple[str, ...]]  # settings of each of those methods that differ from the published ones
    methods: Mapping[str, Any]  # complete plain settings of each method


class CurvesReader:
    """Reader of the curves in a folder, completed from an earlier report."""

    def __init__(self, settings: ContinualSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.failures: Failures = failures_in(folder / MEMORIES) | failures_in(folder / STEPS)

    @cached_property
    def earlier(self) -> ContinualRecord:
        """Earlier report of the same study, restricted to the methods whose settings have not changed; empty if there is none."""
        earlier = earlier_report(self.folder / "continual.json", ContinualRecord, self.settings, decisive_settings)
        if earlier is None:
            return ContinualRecord({}, {})
        record, before = earlier
        both = [label for label in self.settings.methods if label in before.methods and label in record.curves]
        with naming(self.folder / "continual.json"):
            same = [label for label in both if before.memory_run(label).method == self.settings.memory_run(label).method]
        return replace(record, curves={label: record.curves[label] for label in same})

    def read(self) -> Curves:
        """Return the curves."""
        settings = self.settings
        special = settings.tasks or settings.data_settings.get("classes")  # nothing is published for these
        numbers = {} if special else published_continual(settings.source, settings.ipc, settings.steps)
        names = {label: str(settings.method_settings(label)["name"]) for label in settings.methods}
        methods = {label: run and to_dict(run.method) for label, run in self._runs.items()}
        return Curves(
            settings,
            steps={label: self._curve(label) for label in names},
            published={label: numbers[name] for label, name in names.items() if name in numbers},
            differences={label: self._differences(label, name) for label, name in names.items() if name in numbers},
            methods={label: method for label in names if (method := methods[label] or self.earlier.methods.get(label))},
        )

    def _curve(self, label: str) -> tuple[StepScore, ...]:
        points = [self._point(label, step) for step in range(self.settings.count)]
        return tuple(completed(points, lambda: self.earlier.curves.get(label, ())))

    def _point(self, label: str, step: int) -> StepScore:
        records: list[StepRecord] = []
        failed: dict[str, str] = {}
        for order in range(self.settings.orders):
            place = MemoryStep(label, order, step)
            if place.path(self.folder).exists():
                records.append(read_record(place.path(self.folder), StepRecord))
                continue
            required = [shared_name(label), place.name, *(earlier.memory for earlier in place.so_far())]
            failed |= {name: self.failures[name].reason for name in required if name in self.failures}
        values = tuple(record.values for record in records)
        return StepScore(
            step=step + 1, seen=records[-1].seen if records else None, values=values, orders=self.settings.orders, failed=failed
        )

    @cached_property
    def _runs(self) -> dict[str, RunSettings | None]:
        """Complete settings of a memory of each method; None if there is none."""
        names = {label: (MemoryStep(label, 0, 0).memory, shared_name(label)) for label in self.settings.methods}
        paths = {label: [self.folder / MEMORIES / name / RUN_SETTINGS for name in both] for label, both in names.items()}
        first = {label: next((path for path in both if path.exists()), None) for label, both in paths.items()}
        given = given_names(to_dict(self.settings))

        def saved(path: Path) -> RunSettings:
            return from_dict(RunSettings, from_file(read_record(path, StudyRecord).settings, path, given))

        return {label: saved(path) if path else None for label, path in first.items()}

    def _differences(self, label: str, name: str) -> tuple[str, ...]:
        """Return the differences of memories and evaluation from the published ones."""
        run, settings, protocol = self._runs[label], self.settings, continual_protocol()
        if run is None:
            return self.earlier.differences.get(label, ())
        orders = () if settings.orders == protocol.orders else (f"orders {settings.orders} (published: {protocol.orders})",)
        content = {"data": {"source": settings.source}, "method": name, "ipc": settings.ipc}
        evaluation = EvaluationSettings(protocol.networks, recipe=Recipe.paper(protocol.epochs))
        published = replace(from_dict(RunSettings, content, preset_for("paper", content)), evaluation=evaluation)
        column = published_columns().get(name)
        measured = replace(run, evaluation=settings.evaluation)
        return (*orders, *differences(measured, published, column.unknown if column else ()))


def curves_in(settings: ContinualSettings, folder: str | Path) -> Curves:
    """Return the curves in ``folder``, finished or not."""
    return CurvesReader(settings, Path(folder)).read()
