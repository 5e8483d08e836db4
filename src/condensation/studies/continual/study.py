"""Continual learning from memories, in the setting of GDumb that the paper of DM uses.

Each step brings new classes. A fixed number of images of each, selected or condensed from their training images alone, is
added to the memory. New networks are then trained on the memory from scratch, and tested on all classes seen so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.settings import RunSettings
from condensation.studies.continual.task_sequence import ClassIncremental, TaskIncremental, TaskSequence
from condensation.studies.jobs import Job
from condensation.studies.settings import StudySettings, method_content, require_at_least
from condensation.studies.study_folder import slug

MEMORIES, STEPS = "memories", "steps"
METHODS = ("random", "herding", "dm")
DECISIVE = ("tasks", "steps", "ipc", "memory", "evaluation")  # settings of the curves beside those of each memory


@dataclass(frozen=True)
class ContinualSettings(StudySettings):
    """Settings of continual learning. Evaluation and orders are the paper's by default, but for the clean form of its recipe."""

    noun: ClassVar[str] = "study of continual learning"
    mark: ClassVar[str] = "orders"

    tasks: tuple[str, ...] = ()
    """Data sets in sequence, in place of the classes of `data`, whose other settings they share."""
    methods: dict[str, str | dict[str, object]] = field(default_factory=lambda: dict(zip(METHODS, METHODS, strict=True)))
    """Methods that make the memories, by label: a name, or settings on top of those of the preset."""
    steps: int = 5
    """Steps in which the classes come."""
    ipc: int = 20
    """Images per class in the memory."""
    orders: int = 5
    """Random orders of the classes, with seeds from 0."""
    memory: Literal["own", "shared"] = "own"
    """``own``: new memories for each order. ``shared``: classwise methods run once on all classes, for all orders."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Evaluation after each step."""

    def __post_init__(self) -> None:
        require_at_least(self, {"steps": 1, "ipc": 1, "orders": 1, "evaluation.networks": 1})
        labels = [slug(label) for label in self.methods]
        if not labels or len(set(labels)) < len(labels):
            raise CondensationError("Memories need at least one method, each with its own label.", setting="methods")
        if len(self.tasks) == 1:
            hint = "Name at least two data sets, or a single one as data."
            raise CondensationError(f"tasks names only {self.tasks[0]}.", hint=hint, setting="tasks")
        if self.tasks and self.memory != "own":
            problem = "memory is 'shared', but each data set of a sequence is condensed only once."
            raise CondensationError(problem, hint='Use memory="own".', setting="memory")

    @property
    def source(self) -> str:
        """Name of the data set, or the names of all tasks."""
        return "+".join(self.tasks) or super().source

    @property
    def count(self) -> int:
        """Number of steps."""
        return len(self.tasks) or self.steps

    @property
    def unit(self) -> str:
        """Unit of the horizontal axis of the curves."""
        return "data sets" if self.tasks else "classes"

    def method_settings(self, label: str) -> dict[str, object]:
        """Return the settings of the method with this label."""
        return method_content(self.methods[label], label)

    def memory_run(self, label: str, seed: int = 0, data: Mapping[str, object] | None = None) -> RunSettings:
        """Return the run that makes a memory of the method with this label."""
        return self.run_of(self.method_settings(label), self.ipc, seed, data)


@dataclass(frozen=True)
class MemoryStep:
    """A step of one order, counted from 0, and the memory of one method after it."""

    label: str
    order: int
    step: int

    @property
    def memory(self) -> str:
        """Run folder of the images that the step adds to the memory, unless that is shared."""
        return f"{slug(self.label)}-order{self.order}-step{self.step + 1}"

    @property
    def name(self) -> str:
        """Stem of the file with the accuracies after the step."""
        return f"{slug(self.label)}-order{self.order}-after-step{self.step + 1}"

    def path(self, folder: Path) -> Path:
        """Return the file with the accuracies after the step, in the folder of the study."""
        return folder / STEPS / f"{self.name}.json"

    def so_far(self) -> Iterator[MemoryStep]:
        """Return the steps of the same order up to this one, which its memory consists of."""
        return (replace(self, step=step) for step in range(self.step + 1))

    def __str__(self) -> str:
        steps = "step 1" if self.step == 0 else f"steps 1 to {self.step + 1}"
        return f"memories of {self.label}, order {self.order}, {steps}"


def memory_steps(settings: ContinualSettings) -> list[MemoryStep]:
    """Return all steps, order by order, so that an interrupted study holds whole curves."""
    return [
        MemoryStep(label, order, step) for order in range(settings.orders) for step in range(settings.count) for label in settings.methods
    ]


def sequence_of(settings: ContinualSettings, on_reading: OnProgress | None = None) -> TaskSequence:
    """Load the data in the order in which they are learned."""
    if not settings.tasks:
        return ClassIncremental(settings.data_at(settings.ipc).load(on_reading), settings.data_settings, settings.steps)
    contents: list[dict[str, object]] = [{**settings.data_settings, "source": task} for task in settings.tasks]
    return TaskIncremental([settings.data_at(settings.ipc, content).load(on_reading) for content in contents], contents)


def memory_jobs(settings: ContinualSettings, sequence: TaskSequence) -> dict[MemoryStep, Job]:
    """Return the run that makes the new memory of each step."""
    shared = {label: _shared_job(settings, sequence, label) for label in settings.methods if settings.memory == "shared"}
    return {step: shared.get(step.label) or _own_job(settings, sequence, step) for step in memory_steps(settings)}


def continual_jobs(settings: ContinualSettings, folder: Path | None = None) -> list[Job]:
    """Return the runs that make the memories; the data are read, since they define the classes."""
    jobs = memory_jobs(settings, sequence_of(settings)).values()
    return list({job.name: job for job in jobs}.values())


def _own_job(settings: ContinualSettings, sequence: TaskSequence, step: MemoryStep) -> Job:
    run = settings.memory_run(step.label, step.order, sequence.settings(step.order, step.step))
    return Job(step.memory, f"memory of {step.label}, order {step.order}, step {step.step + 1}", run)


def _shared_job(settings: ContinualSettings, sequence: TaskSequence, label: str) -> Job | None:
    """Return the run on all classes for all orders; None if the images of a class depend on the other classes."""
    run = settings.memory_run(label)
    return Job(shared_name(label), f"memory of {label}, all classes", run) if run.method.is_classwise(sequence.whole(0).train) else None


def shared_name(label: str) -> str:
    """Return the run folder of a memory that all orders share."""
    return f"{slug(label)}-all"


def decisive_settings(settings: ContinualSettings) -> Mapping[str, Any]:
    """Return the plain settings that decide the curves; the place of the data does not."""
    return {**{name: to_dict(getattr(settings, name)) for name in DECISIVE}, "data": settings.decisive_data(settings.ipc)}
