"""Continual learning from memories: how much does a network know of all classes seen so far, if it sees their memories alone?

The setting of GDumb, as the paper of DM uses it. In each step, some classes are new; a fixed number of images of each, chosen or
condensed from their training images alone, is added to the memory. Then a new network is trained on the memory, from
scratch, and tested on all classes seen so far.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from condensation.artifact import CondensedSet
from condensation.checkpoint import difference
from condensation.compute import Compute, capability
from condensation.errors import CondensationError
from condensation.evaluation import OnProgress, evaluate_on_each
from condensation.images import Smaller
from condensation.judging import DataSettings, EvaluationSettings
from condensation.presets import preset_for
from condensation.runs import RunSettings
from condensation.settings import build, plain
from condensation.storage import write_json
from condensation.studies.courses import ByClass, ByTask, Course
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
from condensation.studies.kept import in_use, keep, kept_in, slug

MEMORIES, STEPS = "memories", "steps"
DECIDES = ("tasks", "steps", "ipc", "memory", "evaluation")  # beside what decides a memory


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
    smaller: Smaller = "error"
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
    def name(self) -> str:
        """Of the file that holds what it is worth."""
        return f"{slug(self.label)}-order{self.order}-step{self.step + 1}"


def parts_of(settings: ContinualSettings) -> list[Part]:
    """All points: order by order, so that what is broken off early holds whole curves."""
    return [Part(label, order, step) for order in range(settings.orders) for step in range(settings.count) for label in settings.methods]


def course_of(settings: ContinualSettings, on_reading: OnProgress | None = None) -> Course:
    """The data in the order in which they are learned.

    Raises:
        CondensationError: if they cannot be read, or cannot be learned in so many steps.
    """
    if not settings.tasks:
        data = _data_settings(settings, settings.data_settings).load(on_reading)
        return ByClass(data, settings.data_settings, settings.steps)
    named: list[dict[str, object]] = [{**settings.data_settings, "source": task} for task in settings.tasks]
    return ByTask([_data_settings(settings, one).load(on_reading) for one in named], named)


def job_of(settings: ContinualSettings, course: Course, part: Part) -> Job:
    """The run that makes the new memory of ``part``; it is not judged there."""
    content: dict[str, object] = {
        "data": course.settings(part.order, part.step),
        "method": settings.method_settings(part.label),
        "ipc": settings.ipc,
    }
    made = build(RunSettings, content, preset_for(settings.preset, content))
    how = replace(made, baseline=False, evaluation=EvaluationSettings(networks=0), smaller=settings.smaller, compute=settings.compute)
    title = f"memory of {part.label}, order {part.order}, step {part.step + 1}"
    return Job(part.name, title, replace(how, seed=part.order))


def jobs_of(settings: ContinualSettings, course: Course) -> dict[Part, Job]:
    """The run that the new memory of each point comes from."""
    return {part: job_of(settings, course, part) for part in parts_of(settings)}


def run_continual(settings: ContinualSettings, out: str | Path, watch: Watch = Watch()) -> dict[str, Any]:
    """Do what is missing in the folder ``out``, order by order and step by step; return what failed, name -> reason.

    The same again does nothing again; one that was broken off goes on. More methods and orders are added to what is there.

    Raises:
        CondensationError: if anything in the settings cannot be done, or the folder holds something else.
        Stopped: if ``watch`` asked for it; what is finished is kept.
    """
    folder = Path(out)
    _claim(settings, folder)
    course = course_of(settings, watch.on_reading)
    jobs = jobs_of(settings, course)
    claim_all(list(jobs.values()), folder / MEMORIES)
    for part, job in jobs.items():
        if part.order == 0:
            check_all([job], course.whole(part.step))
    settings.evaluation.check(course.common())
    keep(folder, settings, *course.data)
    count = len({job.name for job in jobs.values()}) + len(jobs)
    number, tried = 0, set[str]()
    failed: dict[str, Any] = {}
    failures = failures_in(folder / STEPS)
    for part, job in jobs.items():
        if job.name not in tried:
            number += 1
            tried.add(job.name)
            failed |= run_jobs([job], folder / MEMORIES, course.new(part.order, part.step), watch, count, number)
        number += 1
        path = folder / STEPS / f"{part.name}.json"
        if watch.on_job:
            how = FINISHED if path.exists() else FAILED if part.name in failures else TO_DO
            watch.on_job(number, count, f"networks on memories of {part.label}, order {part.order}, steps 1 to {part.step + 1}", how)
        needed = [jobs[one].name for one in so_far(part)]
        if path.exists() or any(name in failed for name in needed):
            continue
        work = partial(_test, settings, course, part, [folder / MEMORIES / name for name in needed], path, watch)
        reason = attempt(work)
        note_failure(folder / STEPS, failures, part.name, reason)
        if reason:
            failed[part.name] = reason
    return failed


def so_far(part: Part) -> Iterator[Part]:
    """The points of the same order up to ``part``: those whose new memories it rests on."""
    return (replace(part, step=step) for step in range(part.step + 1))


def _test(settings: ContinualSettings, course: Course, part: Part, memories: list[Path], path: Path, watch: Watch) -> None:
    """Train networks on the memories so far, test them on all that was learned, and write down what they get right."""
    started, how = time.perf_counter(), settings.evaluation
    memory = course.joined(part.order, [CondensedSet.load(one).images for one in memories])
    tests = course.tests(part.order, part.step)
    accuracies = evaluate_on_each(
        memory,
        [images for _, images in tests],
        network=how.network,
        recipe=how.recipe,
        networks=how.networks,
        seed=part.order,
        compute=settings.compute,
        on_progress=watch.on_progress,
    )
    learned = [course.learned(part.order, one.step) for one in so_far(part)]
    found = {
        "method": part.label,
        "order": part.order,
        "step": part.step + 1,
        "learned": learned,
        "seen": sum(map(len, learned)),
        "images": len(memory),
        # Of several data sets each counts alike, however many test images it has.
        "values": np.mean([one.values[0] for one in accuracies], axis=0).round(3).tolist(),
        "tests": [{"name": name, "images": len(images), **one.summary()} for (name, images), one in zip(tests, accuracies, strict=True)],
        "evaluation": plain(how),
        "compute": plain(settings.compute.chosen()),
        "machine": capability(),
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(path, found)


def continual_in(folder: str | Path) -> ContinualSettings:
    """The settings of the curves in ``folder``.

    Raises:
        CondensationError: if there are none.
    """
    otherwise = f"There are no curves of continual learning in {folder}.\nMake some: condense continual --data NAME --out {folder}"
    return kept_in(folder, ContinualSettings, "orders", otherwise)


def _claim(settings: ContinualSettings, folder: Path) -> None:
    """Make sure that ``folder`` is free, or holds curves that came about in the same way."""
    if in_use(folder):
        kept = plain(continual_in(folder))
        for name in DECIDES:
            differing = difference(kept[name], plain(getattr(settings, name)), name)
            if differing:
                raise CondensationError(f"{folder} holds other curves: {differing}.\nChoose another folder with --out.")


def _data_settings(settings: ContinualSettings, data: dict[str, object]) -> DataSettings:
    content = {"data": data, "ipc": settings.ipc}
    return build(RunSettings, content, preset_for(settings.preset, content)).data
