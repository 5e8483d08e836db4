"""Measure GTN on MNIST beside DM; write results/gtn/*.json, and the report from them. The learners of GTN see generated lessons only.

    CONDENSATION_DATA=DIR python scripts/measure_gtn.py                             # every job for 2 CPU cores that is not done yet
    CONDENSATION_DATA=DIR python scripts/measure_gtn.py mnist-paper                 # as published, for a GPU
    CONDENSATION_DATA=DIR python scripts/measure_gtn.py mnist-paper --steps 500     # with fewer steps
    CONDENSATION_DATA=DIR python scripts/measure_gtn.py mnist-500-short             # minutes
    python scripts/measure_gtn.py --report                                          # the tables and pictures of docs/gtn.md again

Each part of a job is saved at once, and a run resumes from its checkpoint, so an interrupted script can be started again. Test images
decide nothing: the steps, rates and recipes are fixed below, and the tables show the last iterate.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measuring import ROOT, PartialResult, job_parser, jobs_named, made_by, read_log, run_or_resume, run_settings, score
from report_gtn import write_report

from condensation import DM, GTN, CondensedSet, ConvNet, Method, Recipe, Schedule, StepInfo
from condensation.core.compute import Compute
from condensation.core.plain import to_dict
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.networks.base import NetworkSpec
from condensation.networks.weight_norm import WeightNormConvNet
from condensation.runs.settings import RunSettings
from condensation.training.curriculum import teach

RESULTS = ROOT / "results" / "gtn"
RUNS = Path("runs") / "measure_gtn"
CURVE = (0, 10, 30, 100, 300, 1000, 2000)  # steps after which the lessons are saved and teach a learner


@dataclass(frozen=True)
class Job:
    """A set on MNIST: the method, and the networks of the evaluation."""

    name: str
    ipc: int
    method: Method
    networks: int = 3  # of the evaluation with `RECIPE`; 0 skips it
    learners: int = 10  # that are taught, if the method makes lessons

    @property
    def settings(self) -> RunSettings:
        return run_settings(DataSettings("mnist", preprocessing="published"), self.method, self.ipc)

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
RECIPE = Recipe(epochs=300)
NETWORKS = {"convnet": ConvNet(), "convnet-wn": WeightNormConvNet()}


def measure(job: Job) -> None:
    """Compute the missing parts of the result of ``job``."""
    result, data = PartialResult(RESULTS / f"{job.name}.json"), job.settings.data.load()
    command = f"python scripts/measure_gtn.py {job.name} --steps {job.method.steps}"
    result.add("job", lambda: {"ipc": job.ipc, "settings": to_dict(job.settings), "command": command})
    result.add("made_by", made_by)
    result.add("condensing", lambda: condense(job))
    if isinstance(job.method, GTN):
        result.add("taught", lambda: score_lessons(job, data, job.method.steps, job.learners, 10))
        for step in job.curve:
            result.add(f"after {step} steps", lambda step=step: score_lessons(job, data, step, 2, 5))
    for name, network in NETWORKS.items() if job.networks else ():
        result.add(f"judged by {name}", lambda network=network: score_set(job, data, network))


def condense(job: Job) -> dict[str, Any]:
    """Make the set, save the lessons and their schedule at each step of the curve, and return the seconds and losses."""
    folder = RUNS / job.name

    def save_snapshot(info: StepInfo) -> None:
        if info.step in job.curve:
            images = info.snapshot().to("cpu")
            CondensedSet(images, info.state.card()).save(folder / "snapshots" / f"{info.step}.safetensors")

    run_or_resume(job.settings, folder, save_snapshot)
    log = read_log(folder)
    losses = {str(line["step"]): round(line["loss"], 4) for line in log if line.get("loss") is not None}
    return {"seconds": log[-1]["seconds"], "losses": losses}


def score_lessons(job: Job, data: Data, step: int, networks: int, points: int) -> dict[str, Any]:
    """Return the test accuracies of learners that see only the lessons saved after ``step`` steps, by their schedule."""
    assert isinstance(job.method, GTN)
    lessons = CondensedSet.load(RUNS / job.name / "snapshots" / f"{step}.safetensors")
    schedule = Schedule.from_card(lessons.card)
    steps = len(schedule.lr)
    at = sorted({round(steps * point / points) for point in range(points + 1)})
    curve = teach(lessons.images, schedule, job.method.learner, data.test, networks=networks, at=at)
    print(f"  after {step:,} steps: {curve}", flush=True)
    return {**curve.summary(), "schedule": schedule.to_card()}


def score_set(job: Job, data: Data, network: NetworkSpec) -> dict[str, Any]:
    """Return the accuracies of the set by the recipe that every set gets: shuffled, for many epochs."""
    return score(CondensedSet.load(RUNS / job.name).images, data.test, RECIPE, job.networks, network)


def main() -> None:
    known = [*JOBS, *ON_REQUEST]
    parser = job_parser(__doc__, known)
    parser.add_argument("--report", action="store_true", help="only write the report")
    parser.add_argument("--steps", type=int, help="steps of condensing instead of those of the job")
    options = parser.parse_args()
    jobs = jobs_named(options.jobs, known) or JOBS
    if not options.report:
        print(Compute().resolve().describe(), flush=True)
        for job in jobs:
            measure(replace(job, method=replace(job.method, steps=options.steps)) if options.steps else job)
    write_report(RESULTS, RUNS)


if __name__ == "__main__":
    main()
