"""Continual learning from memories: how much does a network know of all classes seen so far, if it sees their memories alone?

The setting of GDumb, as the paper of DM uses it. In each step, some classes are new; a fixed number of images of each, chosen or
condensed from their training images alone, is added to the memory. Then a new network is trained on the memory, from
scratch, and tested on all classes seen so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.ipc import SmallClasses
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.presets import data_for, preset_for
from condensation.runs.run import RunSettings
from condensation.studies.continual.task_sequence import ByClass, ByTask, Course
from condensation.studies.jobs import Job
from condensation.studies.study_folder import kept_in, slug
from condensation.training.train_and_test import OnProgress

MEMORIES, STEPS = "memories", "steps"


@dataclass(frozen=True)
class ContinualSettings:
    """Everything that decides the curves. Evaluation and orders are the paper's by default, but for the clean form of its recipe."""

    data: str | dict[str, object] = "fashion-mini"  # a source, or settings of the data
    tasks: tuple[str, ...] = ()  # data sets that come one after the other, in place of the classes of `data`; read as `data` says
    # What makes the memories, by what it is called: a name, or settings over those of the preset.
    methods: dict[str, str | dict[str, object]] = field(default_factory=lambda: {name: name for name in ("random", "herding", "dm")})
    steps: int = 5  # in which the classes come
    ipc: int = 20  # images of each class in the memory
    orders: int = 5  # of the classes, by the seeds from 0
    # own: each order makes its memories anew. shared: a method that makes each class by itself is run once, on all classes; all orders
    # take their memories from that.
    memory: Literal["own", "shared"] = "own"
    evaluation: EvaluationSettings = EvaluationSettings()  # after each step
    preset: str = "fast"  # of the methods' settings
    small_classes: SmallClasses = "error"
    compute: Compute = Compute()

    def __post_init__(self) -> None:
        for name in ("steps", "ipc", "orders"):
            if getattr(self, name) < 1:
                raise CondensationError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.evaluation.networks < 1:
            raise CondensationError("evaluation.networks is 0; there must be a network to test after each step.")
        names = [slug(label) for label in self.methods]
        if not names or len(set(names)) < len(names):
            raise CondensationError("Memories need a method, and each a name of its own.\nName them with --methods random,dm.")
        if len(self.tasks) == 1:
            raise CondensationError(f"There is only one task, {self.tasks[0]}.\nName at least two data sets, or give one with --data.")
        if self.tasks and self.memory != "own":
            raise CondensationError("memory is 'shared', but each data set is condensed once anyway.\nLeave it out, or give one --data.")

    @property
    def data_settings(self) -> dict[str, object]:
        return {"source": self.data} if isinstance(self.data, str) else self.data

    @property
    def source(self) -> str:
        """What the curves are of, in a word: a data set, or all of them."""
        return "+".join(self.tasks) or str(self.data_settings.get("source", "fashion-mini"))

    @property
    def count(self) -> int:
        """How many steps there are."""
        return len(self.tasks) or self.steps

    def method_settings(self, label: str) -> dict[str, object]:
        """The settings of the method called ``label``."""
        method = self.methods[label]
        return {"name": method} if isinstance(method, str) else {"name": label, **method}


@dataclass(frozen=True)
class Part:
    """A point of one order: the memory of a method after a step, from 0."""

    label: str
    order: int
    step: int

    @property
    def memory(self) -> str:
        """Of the run folder of what the step adds to the memory, where that is not shared."""
        return f"{slug(self.label)}-order{self.order}-step{self.step + 1}"

    @property
    def name(self) -> str:
        """Of the file that holds what networks know after the step."""
        return f"{slug(self.label)}-order{self.order}-after-step{self.step + 1}"

    def __str__(self) -> str:
        steps = "step 1" if self.step == 0 else f"steps 1 to {self.step + 1}"
        return f"memories of {self.label}, order {self.order}, {steps}"


def parts_of(settings: ContinualSettings) -> list[Part]:
    """All points: order by order, so that what is broken off early holds whole curves."""
    return [Part(label, order, step) for order in range(settings.orders) for step in range(settings.count) for label in settings.methods]


def course_of(settings: ContinualSettings, on_reading: OnProgress | None = None) -> Course:
    """The data in the order in which they are learned.

    Raises:
        CondensationError: if they cannot be read, or cannot be learned in so many steps.
    """
    if not settings.tasks:
        data = data_for(settings.preset, settings.data_settings, settings.ipc).load(on_reading)
        return ByClass(data, settings.data_settings, settings.steps)
    named: list[dict[str, object]] = [{**settings.data_settings, "source": task} for task in settings.tasks]
    return ByTask([data_for(settings.preset, one, settings.ipc).load(on_reading) for one in named], named)


def job_of(settings: ContinualSettings, course: Course, part: Part) -> Job:
    """The run that makes the new memory of ``part``."""
    title = f"memory of {part.label}, order {part.order}, step {part.step + 1}"
    return _job(settings, course.settings(part.order, part.step), part.label, part.memory, title, part.order)


def _job(settings: ContinualSettings, data: dict[str, object], label: str, name: str, title: str, seed: int) -> Job:
    """A run that makes a memory; it is not judged there."""
    content = {"data": data, "method": settings.method_settings(label), "ipc": settings.ipc}
    made = from_dict(RunSettings, content, preset_for(settings.preset, content))
    how = replace(
        made, baseline=False, evaluation=EvaluationSettings(networks=0), small_classes=settings.small_classes, compute=settings.compute
    )
    return Job(name, title, replace(how, seed=seed))


def jobs_of(settings: ContinualSettings, course: Course) -> dict[Part, Job]:
    """The run that the new memory of each point comes from."""
    jobs = {part: job_of(settings, course, part) for part in parts_of(settings)}
    if settings.memory == "own":
        return jobs
    shared = {label: _shared(settings, course, label) for label in settings.methods}
    return {part: shared[part.label] or job for part, job in jobs.items()}


def _shared(settings: ContinualSettings, course: Course, label: str) -> Job | None:
    """One run on all classes for all orders; None if what ``label`` makes of a class depends on the classes beside it."""
    data = course.whole(0)
    job = _job(settings, settings.data_settings, label, shared_name(label), f"memory of {label}, all classes", 0)
    return job if job.settings.method.is_classwise(data.train) else None


def shared_name(label: str) -> str:
    """Of the run folder of a memory that all orders share."""
    return f"{slug(label)}-all"


def file_of(folder: Path, part: Part) -> Path:
    """What ``part`` is worth, in the study's ``folder``."""
    return folder / STEPS / f"{part.name}.json"


def so_far(part: Part) -> Iterator[Part]:
    """The points of the same order up to ``part``: those whose new memories it rests on."""
    return (replace(part, step=step) for step in range(part.step + 1))


def continual_in(folder: str | Path) -> ContinualSettings:
    """The settings of the curves in ``folder``.

    Raises:
        CondensationError: if there are none.
    """
    otherwise = f"There are no curves of continual learning in {folder}.\nMake some: condense continual --data NAME --out {folder}"
    return kept_in(folder, ContinualSettings, "orders", otherwise)
