"""Work of continual learning: make memories, train networks on them and test these, order by order."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.environment import machine
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.storage import entries, read_json, write_json
from condensation.data.dataset import Data
from condensation.evaluation.evaluate import evaluate_on_each
from condensation.studies.continual.study import MEMORIES, STEPS, ContinualSettings, MemoryStep, decisive_settings, memory_jobs, sequence_of
from condensation.studies.continual.task_sequence import TaskSequence
from condensation.studies.jobs import Job, check_all, claim_all, job_tasks
from condensation.studies.remote import JOBS
from condensation.studies.study_folder import claim_folder
from condensation.studies.tasks import Lazy, Task, TaskList, Watch, file_state


def claim_continual(settings: ContinualSettings, folder: Path) -> None:
    """Raise CondensationError if ``folder`` holds something else than these curves; memories alone may serve other steps."""
    if any(path.name not in (MEMORIES, JOBS) for path in entries(folder)):
        claim_folder(folder, settings, decisive_settings)


def continual_tasks(settings: ContinualSettings, folder: Path, on_reading: OnProgress | None = None) -> TaskList:
    """Return the memories and the curves in ``folder``; more methods and orders are added to those that exist."""
    sequence = Lazy(partial(sequence_of, settings, on_reading))
    jobs = memory_jobs(settings, sequence())

    def check() -> None:
        claim_all(list(jobs.values()), folder / MEMORIES)
        for step, job in jobs.items():
            if step.order == 0:  # other orders differ only in classes and seeds
                check_all([job], sequence().whole(step.step))
        settings.evaluation.check(sequence().common())

    tasks: dict[str, Task] = {}
    for step, job in jobs.items():
        if f"{MEMORIES}/{job.name}" not in tasks:
            (made,) = job_tasks([job], folder, MEMORIES, partial(_data_of, sequence, step, job))
            tasks[made.key] = made
        tested = _step_task(settings, folder, step, [jobs[earlier].name for earlier in step.so_far()], sequence)
        tasks[tested.key] = tested
    return TaskList(list(tasks.values()), sequence().data, check, memory=[sequence])


def _data_of(sequence: Lazy[TaskSequence], step: MemoryStep, job: Job) -> Data:
    return sequence().new(step.order, step.step) if job.name == step.memory else sequence().whole(step.step)


def _step_task(settings: ContinualSettings, folder: Path, step: MemoryStep, memories: Sequence[str], sequence: Lazy[TaskSequence]) -> Task:
    path, places = step.path(folder), [folder / MEMORIES / name for name in memories]
    return Task(
        name=step.name,
        group=STEPS,
        title=f"networks on {step}",
        work=lambda watch: _test(settings, sequence(), step, places, path, watch),
        state=lambda failures: file_state(path, step.name, failures),
        needs=tuple(dict.fromkeys(f"{MEMORIES}/{name}" for name in memories)),
        result=lambda: f"{np.mean(read_json(path)['values']):.2f} %",
    )


def _test(
    settings: ContinualSettings, sequence: TaskSequence, step: MemoryStep, memories: Sequence[Path], path: Path, watch: Watch
) -> None:
    """Train networks on the memories so far, test them on all that was learned, and write the accuracies."""
    started, evaluation = time.perf_counter(), settings.evaluation
    memory = sequence.joined(step.order, [CondensedSet.load(place).images for place in memories])
    names, images = zip(*sequence.tests(step.order, step.step), strict=True)
    training, compute = (evaluation.network, evaluation.recipe, evaluation.networks), settings.compute
    accuracies = evaluate_on_each(memory, images, *training, seed=step.order, compute=compute, on_progress=watch.on_progress)
    learned = [sequence.learned(step.order, earlier.step) for earlier in step.so_far()]
    content = {
        "method": step.label,
        "order": step.order,
        "step": step.step + 1,
        "learned": learned,
        "seen": sum(map(len, learned)),
        "images": len(memory),
        # Each data set has the same weight, however many test images it has.
        "values": np.mean([each.values[0] for each in accuracies], axis=0).round(3).tolist(),
        "tests": [
            {"name": name, "images": len(test), **each.summary()} for name, test, each in zip(names, images, accuracies, strict=True)
        ],
        "evaluation": to_dict(evaluation),
        "compute": to_dict(accuracies[0].compute),
        "machine": machine(),
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(path, content)
