"""Measure DM and Random on real data, beside the published numbers; write results/dm/*.json, and the report from them.

    CONDENSATION_DATA=DIR python scripts/measure_dm.py            # every job that is not done yet, an hour or two on 2 cores
    python scripts/measure_dm.py --report                         # docs/results.md and docs/images/curve.png again

Each part of a job is saved at once, so an interrupted script can be started again. Test images decide nothing: the steps, rates and
recipes are fixed below, and the tables show the last iterate.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measuring import ROOT, PartialResult, job_parser, jobs_named, made_by, read_log, run_or_resume, run_settings, score
from report_dm import write_picture, write_report

from condensation import DM, CondensedSet, Recipe, StepInfo, evaluate
from condensation.artifacts.set_file import SET
from condensation.core.compute import Compute
from condensation.core.ipc import images_per_class
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.data.catalogue import DATASETS
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.runs.settings import RunSettings

RESULTS = ROOT / "results" / "dm"
RUNS = Path("runs") / "measure_dm"
UNAUGMENTED_EPOCHS = 300  # of the published evaluation without augmentation


@dataclass(frozen=True)
class Job:
    """A data set at one ipc: the method, and the networks of the evaluation."""

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
        preprocessing = "published" if known and known.published else "standardize"
        return run_settings(DataSettings(self.data, preprocessing=preprocessing), self.method, self.ipc)

    @property
    def curve(self) -> list[int]:
        return [step for step in (0, 50, 100, 400) if step < self.method.steps] + [self.method.steps]


def short(steps: int, batch_per_class: int) -> DM:
    """Return the published settings with fewer steps and real images."""
    return DM(steps=steps, batch_per_class=batch_per_class)


def fast(steps: int, ipc: int, classes: int) -> DM:
    """Return the preset ``fast`` with fewer steps."""
    return replace(DM.fast(ipc, classes), steps=steps)


JOBS = [
    Job("fashion-mnist", 1, short(1000, 64)),
    Job("cifar10", 10, short(1000, 128)),
    Job("cifar10", 1, short(1000, 64)),
    Job("mnist", 1, short(1000, 64)),
    Job("fashion-mnist", 10, short(1000, 64)),
    Job("mnist", 10, short(1000, 64)),
    # Training takes long here: fewer networks and, at ipc 10, fewer epochs, and fewer still for the curve.
    Job("cifar100", 1, fast(1000, 1, 100), networks=2, random_sets=2, curve_networks=1, curve_epochs=100),
    Job("tiny20", 1, fast(1000, 1, 20), networks=2, random_sets=2, curve_networks=1, curve_epochs=100),
    Job("cifar100", 10, fast(1000, 10, 100), networks=2, random_sets=2, curve_networks=1, curve_epochs=50, epochs=200),
    Job("tiny20", 10, fast(1000, 10, 20), networks=2, random_sets=2, curve_networks=1, curve_epochs=50, epochs=200),
]


def unaugmented(epochs: int) -> Recipe:
    """Return the recipe of the papers without augmentation, with at most ``epochs`` epochs."""
    return replace(Recipe.paper(min(UNAUGMENTED_EPOCHS, epochs)), augmentation=None)


def measure(job: Job, evaluated: bool) -> None:
    """Compute the missing parts of the result of ``job``."""
    result, data = PartialResult(RESULTS / f"{job.name}.json"), job.settings.data.load()
    settings, recipe = to_dict(job.settings), Recipe.paper(job.epochs)
    result.add("job", lambda: {"data": job.data, "ipc": job.ipc, "settings": settings, "command": "python scripts/measure_dm.py"})
    result.add("made_by", made_by)
    result.add("condensing", lambda: condense(job))
    if not evaluated:
        return
    images = CondensedSet.load(RUNS / job.name / SET).images
    result.add("dm", lambda: score(images, data.test, recipe, job.networks))
    result.add("random", lambda: score_random(job, data, recipe))
    result.add("random, no augmentation", lambda: score_random(job, data, unaugmented(job.epochs)))
    result.add("curve", lambda: score_curve(job, data))
    if job.name == "fashion-mnist-ipc10":
        write_picture(RUNS / job.name, data.train)


def condense(job: Job) -> dict[str, Any]:
    """Run DM, save the set at each step of the curve, and return the seconds."""
    folder = RUNS / job.name

    def save_snapshot(info: StepInfo) -> None:
        if info.step in job.curve:
            CondensedSet(info.snapshot().to("cpu")).save(folder / "snapshots" / f"{info.step}.safetensors")

    run_or_resume(job.settings, folder, save_snapshot)
    log = read_log(folder)
    return {"seconds": log[-1]["seconds"], "log": {str(line["step"]): line["seconds"] for line in log if line["step"] in job.curve}}


def score_curve(job: Job, data: Data) -> dict[str, Any]:
    """Return the accuracy after each step of the curve, by the shorter recipe. One call compiles the network once for all sets."""
    sets = [CondensedSet.load(RUNS / job.name / "snapshots" / f"{step}.safetensors").images for step in job.curve]
    recipe = Recipe.paper(job.curve_epochs)
    scores = evaluate(sets, data.test, recipe=recipe, networks=job.curve_networks)
    means = {str(step): round(float(values.mean()), 3) for step, values in zip(job.curve, scores.values, strict=True)}
    print(f"  {means}", flush=True)
    return {"means": means, "networks": job.curve_networks, "recipe": to_dict(recipe)}


def score_random(job: Job, data: Data, recipe: Recipe) -> dict[str, Any]:
    """Return the accuracies of several draws of random images, with one network each, because the draws vary most."""
    ipc = images_per_class(data.train, job.ipc)
    draws = [data.train.draw(ipc, Rng(seed).child("init", "start")).indices for seed in range(job.random_sets)]
    return score([data.train.take(indices) for indices in draws], data.test, recipe, 1)


def main() -> None:
    parser = job_parser(__doc__, JOBS)
    parser.add_argument("--condense", action="store_true", help="only condense; evaluate in a later call")
    parser.add_argument("--report", action="store_true", help="only write the report")
    options = parser.parse_args()
    jobs = jobs_named(options.jobs, JOBS) or JOBS
    if not options.report:
        print(Compute().resolve().describe(), flush=True)
        for job in jobs:
            measure(job, evaluated=not options.condense)
    write_report(RESULTS)


if __name__ == "__main__":
    main()
