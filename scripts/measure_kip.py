"""Measure KIP on real data, beside the published numbers; writes results/kip/*.json and docs/images/kip.png.

    CONDENSATION_DATA=DIR python scripts/measure_kip.py                  # every job that is not done yet, but those for a GPU
    CONDENSATION_DATA=DIR python scripts/measure_kip.py cifar10-anchor   # one
    python scripts/measure_kip.py --table                                # what there is, as Markdown

Each part of a job is kept as it is done, and learning goes on from its last checkpoint, so it may be broken off at any time. Test images
decide nothing: steps, rates and recipes are fixed below, and the last iterate is what is judged.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure_dm import COMMIT

from condensation import KIP, CondensedSet, ConvNet, Recipe, StepInfo, condense, evaluate, grid
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.kernel_ridge import regress, wide_recipe
from condensation.methods.random import Random
from condensation.networks.base import NetworkSpec
from condensation.networks.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.networks.ntk_wide import Wide
from condensation.runs.run import run
from condensation.runs.settings import RunSettings

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "kip"
RUNS = Path("runs") / "measure_kip"
PICTURE = ("cifar10-anchor", ROOT / "docs" / "images" / "kip.png")
NETWORKS = 3


@dataclass(frozen=True)
class Job:
    """One set: how it is learned, and what trains on it beside kernel ridge regression."""

    name: str
    data: str
    method: KIP
    preprocessing: str = "standardize"
    ipc: int = 10
    transfer: bool = True  # to networks
    wide: bool = True  # among them the wide one, which takes a GPU where it is convolutional
    asked_for: bool = False  # only done when it is named: it wants a GPU
    random_sets: int = 3

    @property
    def settings(self) -> RunSettings:
        data = DataSettings(self.data, preprocessing=self.preprocessing)  # type: ignore[arg-type]
        return RunSettings(data=data, method=self.method, ipc=self.ipc, evaluation=EvaluationSettings(networks=0))


LABELS = KIP(labels="learned")
JOBS = [
    Job("cifar10-anchor", "cifar10", KIP()),  # published: 46.7
    Job("mnist-10", "mnist", KIP()),  # asked for: above 95
    Job("cifar10-labels", "cifar10", LABELS, transfer=False),
    Job("cifar10-zca-labels", "cifar10", LABELS, "zca"),
    Job("cifar10-zca-labels-1000", "cifar10", replace(LABELS, steps=1000), "zca", transfer=False),
    Job("cifar10-label-solve", "cifar10", KIP(steps=0, labels="solved"), "zca", transfer=False),
    Job("cifar10-1-conv-labels", "cifar10", replace(LABELS, kernel=Convolutional(), batch=500), ipc=1, wide=False),
    Job("cifar10-1-conv-zca-labels", "cifar10", replace(LABELS, kernel=Convolutional(), batch=500), "zca", ipc=1, wide=False),
    Job("cifar10-conv-zca-labels", "cifar10", replace(LABELS, kernel=Convolutional(), batch=2000), "zca", asked_for=True),
    Job("digits-conv", "digits", KIP(steps=100, batch=500, kernel=Convolutional()), transfer=False),
    Job("digits-conv-pool", "digits", KIP(steps=100, batch=100, kernel=PooledConvolutional(depth=2)), ipc=1, transfer=False),
]


def measure(job: Job) -> None:
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

    part("settings", lambda: {"settings": to_dict(job.settings), "command": "python scripts/measure_kip.py"})
    part("made_by", lambda: {"commit": COMMIT, "machine": machine(), "versions": versions()})
    part("condensing", lambda: learn(job))
    last = CondensedSet.load(RUNS / job.name / "set.safetensors").images
    part("kernel ridge", lambda: ridge(job, last, data))
    part("kernel ridge, random", lambda: [ridge(job, random(job, data, seed), data) for seed in range(job.random_sets)])
    if job.transfer:
        if job.wide:
            wide = Wide(kernel=job.method.kernel)
            part("wide", lambda: judge(last, data, wide, wide_recipe(last, wide.kernel, 5000 * 100 // len(last))))
        part("convnet", lambda: judge(last, data, ConvNet(), Recipe(augmentation=None)))
        part("convnet, augmented", lambda: judge(last, data, ConvNet(), Recipe()))
    if job.name == PICTURE[0]:
        title = f"{job.data}, KIP, {job.ipc} images per class, {job.method.steps} steps"
        grid(last, data.train, title=title, rows=5).save(PICTURE[1], "PNG", optimize=True)


def learn(job: Job) -> dict[str, Any]:
    """Run KIP into its folder, or go on with it; the seconds are those of the last part if it was broken off."""
    folder = RUNS / job.name
    moments: list[tuple[int, float | None]] = []

    def note(moment: StepInfo) -> None:
        moments.append((moment.step, moment.loss))
        if moment.step % 50 == 0:
            print(f"  step {moment.step}: {moment.loss}", flush=True)

    started = time.perf_counter()
    run(job.settings, folder, resume=(folder / "settings.json").exists(), observers=[note])
    whole = bool(moments) and moments[0][0] == 0
    return {"seconds": round(time.perf_counter() - started, 1), "in one go": whole, "loss": moments[-1][1] if moments else None}


def random(job: Job, data: Data, seed: int) -> ImageSet:
    return condense(Random(), data.train, job.ipc, seed=seed)


def ridge(job: Job, images: ImageSet, data: Data) -> dict[str, Any]:
    found = regress(images, data.test, kernel=job.method.kernel, reg=job.method.reg)
    print(f"  {found.value:.2f}", flush=True)
    return found.summary()


def judge(images: ImageSet, data: Data, network: NetworkSpec, recipe: Recipe) -> dict[str, Any]:
    scores = evaluate(images, data.test, network=network, recipe=recipe, networks=NETWORKS)
    print(f"  {scores}", flush=True)
    return {**scores.summary(), "recipe": to_dict(recipe), "network": to_dict(network)}


def table() -> str:
    """What is measured, as Markdown."""
    lines = [
        "| set | random, by kernel ridge | kernel ridge | wide network | ConvNet | ConvNet, augmented | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for job in JOBS:
        path = RESULTS / f"{job.name}.json"
        if path.exists():
            found = read_json(path)
            draws = found.get("kernel ridge, random", [])
            chance = f"{sum(one['mean'] for one in draws) / len(draws):.1f}" if draws else ""
            ours = f"{found['kernel ridge']['mean']:.1f}" if "kernel ridge" in found else ""
            others = [f"{found[k]['mean']:.1f} ± {found[k]['deviation']:.1f}" if k in found else "" for k in ("wide", "convnet")]
            last = found.get("convnet, augmented")
            others.append(f"{last['mean']:.1f} ± {last['deviation']:.1f}" if last else "")
            lines.append(f"| {job.name} | {chance} | {ours} | {' | '.join(others)} | {found.get('condensing', {}).get('seconds', '')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"some of: {', '.join(job.name for job in JOBS)}")
    asked = parser.parse_args()
    unknown = set(asked.jobs) - {job.name for job in JOBS}
    if unknown:
        sys.exit(f"There is no job {', '.join(sorted(unknown))}.")
    if not asked.table:
        print(Compute().resolve().describe(), flush=True)
        for job in JOBS:
            if job.name in asked.jobs or not (asked.jobs or job.asked_for):
                measure(job)
    print(table())


if __name__ == "__main__":
    main()
