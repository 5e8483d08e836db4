"""How long does a preset take to the accuracy of the paper?

    CONDENSATION_DATA=DIR python -m benchmarks.accuracy cifar10-10 --preset fast

Condenses the training images, preprocessed as in the papers, then judges the last state by the evaluation of the
published code, on the test images, which nothing before has seen. Seconds are those of condensing, with compilation,
without loading and judging. A run that was broken off goes on from where it was, and its seconds add up.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import RESULTS, machine_name, save
from condensation import Compute, Recipe, StepInfo, evaluate
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.presets import preset_for
from condensation.runs.run import run
from condensation.studies.published_numbers import published


class Clock:
    """Seconds of condensing. A run that goes on adds to those it had; steps that it has to do again count twice."""

    def __init__(self, path: Path, on: str) -> None:
        self.path, self.on, self.began = path, on, 0.0
        kept = read_json(path) if path.exists() else {"on": on, "seconds": 0.0}
        if kept["on"] != on:
            raise SystemExit(f"{path} was measured on {kept['on']}, this is {on}: choose another --runs.")
        self.before = self.seconds = float(kept["seconds"])

    def __call__(self, moment: StepInfo) -> None:
        now = time.perf_counter()
        self.began = self.began or now  # the first call comes before the first step
        self.seconds = self.before + now - self.began
        if moment.step % 20 == 0 or moment.step == moment.steps:
            write_json(self.path, {"on": self.on, "seconds": self.seconds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="data set and ipc, such as cifar10-10")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="where the run is kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    source, _, ipc = asked.job.rpartition("-")
    compute = Compute(device=asked.device).resolve()
    base = preset_for(asked.preset, {"ipc": int(ipc), "data": {"source": source}})
    nothing = replace(base.evaluation, networks=0)
    settings = replace(base, data=DataSettings(source, preprocessing="published"), seed=asked.seed, evaluation=nothing, compute=compute)
    folder = asked.runs / f"{asked.job}-{asked.preset}-seed{asked.seed}-{machine_name(compute.device)}"
    clock = Clock(folder.with_suffix(".seconds.json"), compute.describe())
    result = run(settings, folder, resume=(folder / "settings.json").exists(), observers=[clock])
    print(f"{asked.job}, {asked.preset}: condensed in {clock.seconds:.0f} s ({compute.describe()})", flush=True)
    started = time.perf_counter()
    judge = EvaluationSettings(networks=asked.networks, recipe=Recipe.paper())
    test = settings.data.load().test
    scores = evaluate(result.condensed.images, test, recipe=judge.recipe, networks=judge.networks, compute=compute)
    judging = time.perf_counter() - started
    number = published(source, int(ipc)).get("dm")
    reported = [number.mean, number.deviation] if number else None
    print(f"{scores}, published {number}; judged in {judging:.0f} s")
    about = {"settings": to_dict(settings), "evaluation": to_dict(judge), "compute": compute.describe()}
    numbers = {"condensing_seconds": round(clock.seconds, 1), "judging_seconds": round(judging, 1), "published": reported}
    save(
        "accuracy",
        {**numbers, "accuracy": scores.summary(), **about},
        asked.out,
        compute.device,
        f"{asked.job}-{asked.preset}-seed{asked.seed}",
    )


if __name__ == "__main__":
    main()
