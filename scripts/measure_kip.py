"""Measure KIP on real data, beside the published numbers; write results/kip/*.json and docs/images/kip.png.

    CONDENSATION_DATA=DIR python scripts/measure_kip.py                  # every job that is not done yet, except those for a GPU
    CONDENSATION_DATA=DIR python scripts/measure_kip.py cifar10-anchor   # one job
    python scripts/measure_kip.py --table                                # the results so far as Markdown

Each part of a job is saved at once, and a run resumes from its last checkpoint, so an interrupted script can be started again. Test
images decide nothing: the steps, rates and recipes are fixed below, and the last iterate is evaluated.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measuring import ROOT, PartialResult, job_parser, jobs_named, made_by, run_or_resume, run_settings, score

from condensation import KIP, CondensedSet, Recipe, StepInfo, condense, grid
from condensation.artifacts.set_file import SET
from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.storage import read_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.kernel_ridge import regress, wide_recipe
from condensation.methods.random import Random
from condensation.networks.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.networks.ntk_wide import Wide
from condensation.runs.settings import RunSettings

RESULTS = ROOT / "results" / "kip"
RUNS = Path("runs") / "measure_kip"
PICTURE = ("cifar10-anchor", ROOT / "docs" / "images" / "kip.png")
NETWORKS = 3


@dataclass(frozen=True)
class Job:
    """A set: the settings of KIP, and the networks that train on the set beside kernel ridge regression."""

    name: str
    data: str
    method: KIP
    preprocessing: str = "standardize"
    ipc: int = 10
    transfer: bool = True  # to networks
    wide: bool = True  # also to the wide network, which needs a GPU if it is convolutional
    on_request: bool = False  # only if named, because it needs a GPU
    random_sets: int = 3

    @property
    def settings(self) -> RunSettings:
        data = DataSettings(self.data, preprocessing=self.preprocessing)  # type: ignore[arg-type]
        return run_settings(data, self.method, self.ipc)


LABELS = KIP(labels="learned")
JOBS = [
    Job("cifar10-anchor", "cifar10", KIP()),  # published: 46.7
    Job("mnist-10", "mnist", KIP()),  # expected: above 95
    Job("cifar10-labels", "cifar10", LABELS, transfer=False),
    Job("cifar10-zca-labels", "cifar10", LABELS, "zca"),
    Job("cifar10-zca-labels-1000", "cifar10", replace(LABELS, steps=1000), "zca", transfer=False),
    Job("cifar10-label-solve", "cifar10", KIP(steps=0, labels="solved"), "zca", transfer=False),
    Job("cifar10-1-conv-labels", "cifar10", replace(LABELS, kernel=Convolutional(), batch=500), ipc=1, wide=False),
    Job("cifar10-1-conv-zca-labels", "cifar10", replace(LABELS, kernel=Convolutional(), batch=500), "zca", ipc=1, wide=False),
    Job("cifar10-conv-zca-labels", "cifar10", replace(LABELS, kernel=Convolutional(), batch=2000), "zca", on_request=True),
    Job("digits-conv", "digits", KIP(steps=100, batch=500, kernel=Convolutional()), transfer=False),
    Job("digits-conv-pool", "digits", KIP(steps=100, batch=100, kernel=PooledConvolutional(depth=2)), ipc=1, transfer=False),
]


def measure(job: Job) -> None:
    """Compute the missing parts of the result of ``job``."""
    result, data = PartialResult(RESULTS / f"{job.name}.json"), job.settings.data.load()
    result.add("settings", lambda: {"settings": to_dict(job.settings), "command": "python scripts/measure_kip.py"})
    result.add("made_by", made_by)
    result.add("condensing", lambda: learn(job))
    images = CondensedSet.load(RUNS / job.name / SET).images
    result.add("kernel ridge", lambda: ridge(job, images, data))
    result.add(
        "kernel ridge, random",
        lambda: [ridge(job, condense(Random(), data.train, job.ipc, seed=seed), data) for seed in range(job.random_sets)],
    )
    if job.transfer:
        if job.wide:
            wide, epochs = Wide(kernel=job.method.kernel), 5000 * 100 // len(images)
            result.add("wide", lambda: score(images, data.test, wide_recipe(images, wide.kernel, epochs), NETWORKS, wide))
        result.add("convnet", lambda: score(images, data.test, Recipe(augmentation=None), NETWORKS))
        result.add("convnet, augmented", lambda: score(images, data.test, Recipe(), NETWORKS))
    if job.name == PICTURE[0]:
        title = f"{job.data}, KIP, {job.ipc} images per class, {job.method.steps} steps"
        grid(images, data.train, title=title, rows=5).save(PICTURE[1], "PNG", optimize=True)


def learn(job: Job) -> dict[str, Any]:
    """Run KIP in its folder, or resume it. The seconds of a resumed run are those since its last interruption."""
    losses: list[tuple[int, float | None]] = []

    def record(info: StepInfo) -> None:
        losses.append((info.step, info.loss))
        if info.step % 50 == 0:
            print(f"  step {info.step}: {info.loss}", flush=True)

    started = time.perf_counter()
    run_or_resume(job.settings, RUNS / job.name, record)
    uninterrupted = bool(losses) and losses[0][0] == 0
    return {"seconds": round(time.perf_counter() - started, 1), "in one go": uninterrupted, "loss": losses[-1][1] if losses else None}


def ridge(job: Job, images: ImageSet, data: Data) -> dict[str, Any]:
    accuracy = regress(images, data.test, kernel=job.method.kernel, reg=job.method.reg)
    print(f"  {accuracy.value:.2f}", flush=True)
    return accuracy.summary()


def table() -> str:
    """Return the results so far as a Markdown table."""
    lines = [
        "| set | random, by kernel ridge | kernel ridge | wide network | ConvNet | ConvNet, augmented | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for job in JOBS:
        path = RESULTS / f"{job.name}.json"
        if path.exists():
            parts = read_json(path)
            draws = parts.get("kernel ridge, random", [])
            random = f"{sum(draw['mean'] for draw in draws) / len(draws):.1f}" if draws else ""
            learned = f"{parts['kernel ridge']['mean']:.1f}" if "kernel ridge" in parts else ""
            networks = [
                f"{parts[name]['mean']:.1f} ± {parts[name]['deviation']:.1f}" if name in parts else ""
                for name in ("wide", "convnet", "convnet, augmented")
            ]
            seconds = str(parts.get("condensing", {}).get("seconds", ""))
            lines.append(f"| {' | '.join([job.name, random, learned, *networks, seconds])} |")
    return "\n".join(lines)


def main() -> None:
    parser = job_parser(__doc__, JOBS)
    parser.add_argument("--table", action="store_true", help="only print the results so far")
    options = parser.parse_args()
    jobs = jobs_named(options.jobs, JOBS) or [job for job in JOBS if not job.on_request]
    if not options.table:
        print(Compute().resolve().describe(), flush=True)
        for job in jobs:
            measure(job)
    print(table())


if __name__ == "__main__":
    main()
