"""Work of continual learning: make memories, train networks on them and test these, order by order."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.environment import machine
from condensation.core.plain import to_dict
from condensation.core.storage import entries, write_json
from condensation.evaluation.evaluate import evaluate_on_each
from condensation.studies.continual.study import MEMORIES, STEPS, ContinualSettings, MemoryStep, decisive_settings, memory_jobs, sequence_of
from condensation.studies.continual.task_sequence import TaskSequence
from condensation.studies.jobs import Failures, Watch, attempt, check_all, claim_all, failures_in, file_state, record_failure, run_jobs
from condensation.studies.study_folder import claim_folder, write_settings


def run_continual(settings: ContinualSettings, folder: Path, watch: Watch = Watch()) -> Failures:
    """Make the missing memories and curves in ``folder``; more methods and orders are added to those that exist."""
    if any(path.name != MEMORIES for path in entries(folder)):  # memories alone may serve other steps
        claim_folder(folder, settings, decisive_settings)
    sequence = sequence_of(settings, watch.on_reading)
    jobs = memory_jobs(settings, sequence)
    claim_all(list(jobs.values()), folder / MEMORIES)
    for step, job in jobs.items():
        if step.order == 0:  # other orders differ only in classes and seeds
            check_all([job], sequence.whole(step.step))
    settings.evaluation.check(sequence.common())
    write_settings(folder, settings, *sequence.data)
    count = len({job.name for job in jobs.values()}) + len(jobs)
    number, tried = 0, set[str]()
    failed: Failures = {}
    failures = failures_in(folder / STEPS)
    for step, job in jobs.items():
        if job.name not in tried:
            number += 1
            tried.add(job.name)
            data = sequence.new(step.order, step.step) if job.name == step.memory else sequence.whole(step.step)
            failed |= run_jobs([job], folder / MEMORIES, data, watch, count, number)
        number += 1
        path = step.path(folder)
        watch.begin(number, count, f"networks on {step}", file_state(path, step.name, failures))
        memories = [jobs[earlier].name for earlier in step.so_far()]
        if path.exists() or any(name in failed for name in memories):
            continue
        failure = attempt(partial(_test, settings, sequence, step, [folder / MEMORIES / name for name in memories], path, watch))
        record_failure(folder / STEPS, failures, step.name, failure)
        if failure:
            failed[step.name] = failure
    return failed


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
