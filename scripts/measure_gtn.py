"""Measure GTN on MNIST: learners that see generated lessons only, beside a set of DM; writes results/gtn/*.json, and the report from them.

    CONDENSATION_DATA=DIR python scripts/measure_gtn.py            # every job for 2 CPU cores that is not done yet
    CONDENSATION_DATA=DIR python scripts/measure_gtn.py mnist-paper          # as published, for a GPU
    CONDENSATION_DATA=DIR python scripts/measure_gtn.py mnist-paper --steps 500     # fewer steps of it
    CONDENSATION_DATA=DIR python scripts/measure_gtn.py mnist-500-short      # minutes
    python scripts/measure_gtn.py --report                         # the tables of docs/gtn.md and its pictures again

Each job is kept part by part, and a run step by step, so it may be broken off at any time. Test images decide nothing: steps, rates
and recipes are fixed below, and the last iterate is what the tables state.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure_dm import commit
from report_gtn import write_report

from condensation import DM, GTN, CondensedSet, ConvNet, Method, Recipe, Schedule, StepInfo
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.evaluate import evaluate
from condensation.networks.weight_norm import WeightNormConvNet
from condensation.runs.run import run
from condensation.runs.settings import RunSettings
from condensation.training.curriculum import teach

RESULTS = Path(__file__).parent.parent / "results" / "gtn"
RUNS = Path("runs") / "measure_gtn"
CURVE = (0, 10, 30, 100, 300, 1000, 2000)  # steps after which a learner is taught by the lessons as they are then


@dataclass(frozen=True)
class Job:
    """One set on MNIST: how it is made, and by which networks it is judged as any other set."""

    name: str
    ipc: int
    method: Method
    networks: int = 3  # that judge it by the recipe below; 0: it is only taught
    taught: int = 10  # learners, where the method has lessons

    @property
    def settings(self) -> RunSettings:
        data = DataSettings("mnist", preprocessing="published")
        return RunSettings(data=data, method=self.method, ipc=self.ipc, evaluation=EvaluationSettings(networks=0))

    @property
    def curve(self) -> list[int]:
        return [step for step in CURVE if step < self.method.steps] + [self.method.steps]


SMALL = replace(GTN.fast(ipc=50), steps=1000)
JOBS = [
    Job("mnist-500", 50, SMALL),
    Job("mnist-500-dm", 50, replace(DM.fast(50), steps=1000, lr=5**0.5, batch_per_class=16)),
    Job("mnist-4100", 410, replace(SMALL, steps=600, batch=128), networks=1),
]
ON_REQUEST = [
    Job("mnist-500-short", 50, replace(GTN.fast(50), steps=100), networks=0),
    Job("mnist-paper", 410, replace(GTN.paper(410), keep_every=1)),
    Job("mnist-500-paper", 50, GTN.paper(50)),
]
JUDGE = Recipe(epochs=300)
JUDGES = {"convnet": ConvNet(), "convnet-wn": WeightNormConvNet()}


def measure(job: Job) -> None:
    """Do what is missing of ``job``, keeping each part as it is done."""
    path = RESULTS / f"{job.name}.json"
    result: dict[str, Any] = read_json(path) if path.exists() else {}
    data = job.settings.data.load()

    def part(name: str, work: Callable[[], Any]) -> None:
        if name not in result:
            print(f"{job.name}: {name}", flush=True)
            result[name] = work()
            write_json(path, result)

    part(
        "job",
        lambda: {
            "ipc": job.ipc,
            "settings": to_dict(job.settings),
            "command": f"python scripts/measure_gtn.py {job.name} --steps {job.method.steps}",
        },
    )
    part("made_by", lambda: {"commit": COMMIT, "machine": machine(), "versions": versions()})
    part("condensing", lambda: condense(job))
    if isinstance(job.method, GTN):
        part("taught", lambda: taught(job, data, job.method.steps, job.taught, 10))
        for step in job.curve:
            part(f"after {step} steps", lambda step=step: taught(job, data, step, 2, 5))
    for name in JUDGES if job.networks else ():
        part(f"judged by {name}", lambda name=name: judged(job, data, name))


def condense(job: Job) -> dict[str, Any]:
    """Make the set, keeping the lessons, with their schedule, at each step of the curve."""
    folder = RUNS / job.name

    def keep(moment: StepInfo) -> None:
        if moment.step in job.curve:
            images = moment.snapshot().to("cpu")
            CondensedSet(images, moment.state.card()).save(folder / "snapshots" / f"{moment.step}.safetensors")

    run(job.settings, folder, resume=(folder / "settings.json").exists(), observers=[keep])
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = {str(line["step"]): round(line["loss"], 4) for line in log if line.get("loss") is not None}
    return {"seconds": log[-1]["seconds"], "losses": losses}


def taught(job: Job, data: Data, step: int, networks: int, points: int) -> dict[str, Any]:
    """What learners know of the test images that saw nothing but the lessons as they were after ``step`` steps, by their schedule."""
    assert isinstance(job.method, GTN)
    kept = CondensedSet.load(RUNS / job.name / "snapshots" / f"{step}.safetensors")
    schedule = Schedule.from_card(kept.card)
    steps = len(schedule.lr)
    at = sorted({round(steps * point / points) for point in range(points + 1)})
    found = teach(kept.images, schedule, job.method.learner, data.test, networks=networks, at=at)
    print(f"  after {step:,} steps: {found}", flush=True)
    return {**found.summary(), "schedule": schedule.to_card()}


def judged(job: Job, data: Data, name: str) -> dict[str, Any]:
    """The set as any other set is judged: shuffled, for many epochs, by common rates."""
    images = CondensedSet.load(RUNS / job.name).images
    scores = evaluate(images, data.test, network=JUDGES[name], recipe=JUDGE, networks=job.networks)
    print(f"  {scores}", flush=True)
    return {**scores.summary(), "recipe": to_dict(JUDGE)}


COMMIT = commit()  # of the code in memory, whatever is committed while it runs


def main() -> None:
    every = [*JOBS, *ON_REQUEST]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="only write the report again")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"some of: {', '.join(job.name for job in every)}")
    parser.add_argument("--steps", type=int, help="of condensing, in place of what the job says")
    asked = parser.parse_args()
    unknown = set(asked.jobs) - {job.name for job in every}
    if unknown:
        sys.exit(f"There is no job {', '.join(sorted(unknown))}.")
    if not asked.report:
        print(Compute().resolve().describe(), flush=True)
        for job in [job for job in every if job.name in asked.jobs] if asked.jobs else JOBS:
            measure(replace(job, method=replace(job.method, steps=asked.steps)) if asked.steps else job)
    write_report(RESULTS, RUNS)


if __name__ == "__main__":
    main()
