"""The work of continual learning: memories are made, and networks trained on them and tested, in an order in which little is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.environment import machine
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.evaluation.evaluate import evaluate_on_each
from condensation.runs.presets import data_for
from condensation.studies.continual.study import MEMORIES, STEPS, ContinualSettings, Part, continual_in, course_of, file_of, jobs_of, so_far
from condensation.studies.continual.task_sequence import Course
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
from condensation.studies.study_folder import in_use, keep, must_be_alike

DECIDES = ("tasks", "steps", "ipc", "memory", "evaluation")  # beside what decides a memory


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
    _check(settings, course, jobs, folder)
    keep(folder, settings, *course.data)
    count = len({job.name for job in jobs.values()}) + len(jobs)
    number, tried = 0, set[str]()
    failed: dict[str, Any] = {}
    failures = failures_in(folder / STEPS)
    for part, job in jobs.items():
        if job.name not in tried:
            number += 1
            tried.add(job.name)
            data = course.new(part.order, part.step) if job.name == part.memory else course.whole(part.step)
            failed |= run_jobs([job], folder / MEMORIES, data, watch, count, number)
        number += 1
        path = file_of(folder, part)
        if watch.on_job:
            how = FINISHED if path.exists() else FAILED if part.name in failures else TO_DO
            watch.on_job(number, count, f"networks on {part}", how)
        needed = [jobs[one].name for one in so_far(part)]
        if path.exists() or any(name in failed for name in needed):
            continue
        reason = attempt(partial(_test, settings, course, part, [folder / MEMORIES / name for name in needed], path, watch))
        note_failure(folder / STEPS, failures, part.name, reason)
        if reason:
            failed[part.name] = reason
    return failed


def _claim(settings: ContinualSettings, folder: Path) -> None:
    """Make sure that ``folder`` is free, or holds curves that came about in the same way, or memories alone, which are looked at later."""
    if in_use(folder) and any(path.name != MEMORIES for path in folder.iterdir()):
        must_be_alike(folder, "other curves", _compared(continual_in(folder)), _compared(settings))


def _compared(settings: ContinualSettings) -> dict[str, Any]:
    """What decides the curves; the data may lie anywhere."""
    data = replace(data_for(settings.preset, settings.data_settings, settings.ipc), folder=None)
    return {**{name: to_dict(getattr(settings, name)) for name in DECIDES}, "data": to_dict(data)}


def _check(settings: ContinualSettings, course: Course, jobs: Mapping[Part, Job], folder: Path) -> None:
    """Find out before the work that a folder holds another run, or that ipc or a network does not fit the data."""
    claim_all(list(jobs.values()), folder / MEMORIES)
    for part, job in jobs.items():
        if part.order == 0:  # the others differ in their classes and seeds alone
            check_all([job], course.whole(part.step))
    settings.evaluation.check(course.common())


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
        "evaluation": to_dict(how),
        "compute": to_dict(settings.compute.resolve()),
        "machine": machine(),
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(path, found)
