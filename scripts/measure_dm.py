"""Measure DM and Random on real data, beside the published numbers; writes results/dm/*.json, and the report from them.

    CONDENSATION_DATA=DIR python scripts/measure_dm.py            # every job that is not done yet, an hour or two on 2 cores
    python scripts/measure_dm.py --report                         # docs/results.md and docs/images/curve.png again

Each job is kept part by part, so it may be broken off at any time. Test images decide nothing: steps, rates and
recipes are fixed below, and the last iterate is what the tables state.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from report_dm import write_picture, write_report

from condensation import DM, CondensedSet, ConvNet, Recipe, StepInfo
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import read_json, write_json
from condensation.data.catalogue import DATASETS
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.evaluate import evaluate
from condensation.runs.run import run
from condensation.runs.settings import RunSettings

RESULTS = Path(__file__).parent.parent / "results" / "dm"
RUNS = Path("runs") / "measure_dm"
BARE_EPOCHS = 300  # of the published judging where nothing is augmented


@dataclass(frozen=True)
class Job:
    """One data set at one ipc: how it is condensed, and how many networks judge it."""

    data: str
    ipc: int
    method: DM
    networks: int = 3
    random_sets: int = 3
    curve_networks: int = 2
    curve_epochs: int = 300
    epochs: int = 1000  # of the published evaluation

    @property
    def name(self) -> str:
        return f"{self.data}-ipc{self.ipc}"

    @property
    def settings(self) -> RunSettings:
        known = DATASETS.get(self.data)
        return RunSettings(
            data=DataSettings(self.data, preprocessing="published" if known and known.published else "standardize"),
            method=self.method,
            ipc=self.ipc,
            evaluation=EvaluationSettings(networks=0),
        )

    @property
    def curve(self) -> list[int]:
        return [step for step in (0, 50, 100, 400) if step < self.method.steps] + [self.method.steps]


def short(steps: int, batch_per_class: int) -> DM:
    """The published settings, with fewer steps and real images."""
    return DM(steps=steps, batch_per_class=batch_per_class)


def bare(epochs: int) -> Recipe:
    """What the papers judge by where nothing is augmented, in ``epochs`` if those are fewer."""
    return replace(Recipe.paper(min(BARE_EPOCHS, epochs)), augmentation=None)


def fast(steps: int, ipc: int, classes: int) -> DM:
    """The preset of that name, with fewer steps."""
    return replace(DM.fast(ipc, classes), steps=steps)


JOBS = [
    Job("fashion-mnist", 1, short(1000, 64)),
    Job("cifar10", 10, short(1000, 128)),
    Job("cifar10", 1, short(1000, 64)),
    Job("mnist", 1, short(1000, 64)),
    Job("fashion-mnist", 10, short(1000, 64)),
    Job("mnist", 10, short(1000, 64)),
    # A training takes long here: fewer networks and, at ipc 10, fewer epochs, and a quicker judge of the curve.
    Job("cifar100", 1, fast(1000, 1, 100), networks=2, random_sets=2, curve_networks=1, curve_epochs=100),
    Job("tiny20", 1, fast(1000, 1, 20), networks=2, random_sets=2, curve_networks=1, curve_epochs=100),
    Job("cifar100", 10, fast(1000, 10, 100), networks=2, random_sets=2, curve_networks=1, curve_epochs=50, epochs=200),
    Job("tiny20", 10, fast(1000, 10, 20), networks=2, random_sets=2, curve_networks=1, curve_epochs=50, epochs=200),
]


def measure(job: Job, judging: bool) -> None:
    """Do what is missing of ``job``, keeping each part as it is done."""
    path = RESULTS / f"{job.name}.json"
    result: dict[str, Any] = read_json(path) if path.exists() else {}
    data = job.settings.data.load()

    def part(name: str, work: Callable[[], Any]) -> Any:
        if name not in result:
            print(f"{job.name}: {name}", flush=True)
            result[name] = work()
            write_json(path, result)
        return result[name]

    part("job", lambda: {"data": job.data, "ipc": job.ipc, "settings": to_dict(job.settings), "command": "python scripts/measure_dm.py"})
    part("made_by", lambda: {"commit": COMMIT, "machine": machine(), "versions": versions()})
    part("condensing", lambda: condense(job))
    if not judging:
        return
    last = CondensedSet.load(RUNS / job.name / "set.safetensors").images
    part("dm", lambda: judge(last, data, Recipe.paper(job.epochs), job.networks))
    part("random", lambda: judge_random(job, data, Recipe.paper(job.epochs)))
    part("random, no augmentation", lambda: judge_random(job, data, bare(job.epochs)))
    part("curve", lambda: curve(job, data))
    if job.name == "fashion-mnist-ipc10":
        write_picture(RUNS / job.name, data.train)


def condense(job: Job) -> dict[str, Any]:
    """Run DM, keeping the set at each step of the curve."""
    folder = RUNS / job.name

    def keep(moment: StepInfo) -> None:
        if moment.step in job.curve:
            CondensedSet(moment.snapshot().to("cpu")).save(folder / "snapshots" / f"{moment.step}.safetensors")

    run(job.settings, folder, resume=(folder / "settings.json").exists(), observers=[keep])
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {"seconds": log[-1]["seconds"], "log": {str(line["step"]): line["seconds"] for line in log if line["step"] in job.curve}}


def judge(sets: ImageSet | list[ImageSet], data: Data, recipe: Recipe, networks: int) -> dict[str, Any]:
    scores = evaluate(sets, data.test, network=ConvNet(), recipe=recipe, networks=networks)
    print(f"  {scores}", flush=True)
    return {**scores.summary(), "recipe": to_dict(recipe)}


def curve(job: Job, data: Data) -> dict[str, Any]:
    """The accuracy after each step of the curve, by the quicker judge; all at once, so that one network is compiled."""
    sets = [CondensedSet.load(RUNS / job.name / "snapshots" / f"{step}.safetensors").images for step in job.curve]
    recipe = Recipe.paper(job.curve_epochs)
    scores = evaluate(sets, data.test, network=ConvNet(), recipe=recipe, networks=job.curve_networks)
    means = {str(step): round(float(values.mean()), 3) for step, values in zip(job.curve, scores.values, strict=True)}
    print(f"  {means}", flush=True)
    return {"means": means, "networks": job.curve_networks, "recipe": to_dict(recipe)}


def judge_random(job: Job, data: Data, recipe: Recipe) -> dict[str, Any]:
    """Several draws of random images, a network each: the draw is what varies."""
    wanted = images_per_class(data.train, job.ipc)
    draws = [data.train.draw(wanted, Rng(seed).child("init", "start")).indices for seed in range(job.random_sets)]
    return judge([data.train.take(indices) for indices in draws], data, recipe, 1)


def commit() -> str:
    """The commit that the working tree is at, marked if the code differs from it."""
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "src", "scripts"], capture_output=True, text=True, check=True).stdout
    return f"{name} (changed)" if changed else name


COMMIT = commit()  # of the code in memory, whatever is committed while it runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--condense", action="store_true", help="only condense; judge another time")
    parser.add_argument("--report", action="store_true", help="only write the report again")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"some of: {', '.join(job.name for job in JOBS)}")
    asked = parser.parse_args()
    unknown = set(asked.jobs) - {job.name for job in JOBS}
    if unknown:
        sys.exit(f"There is no job {', '.join(sorted(unknown))}.")
    if not asked.report:
        print(Compute().resolve().describe(), flush=True)
        for job in JOBS:
            if not asked.jobs or job.name in asked.jobs:
                measure(job, judging=not asked.condense)
    write_report(RESULTS)


if __name__ == "__main__":
    main()
