"""Time a preset until it reaches the accuracy of the paper.

    CONDENSATION_DATA=DIR python -m benchmarks.accuracy cifar10-10 --preset fast

Condense the training images, preprocessed as in the papers. Then evaluate the last state with the recipe of the published code on
the test images, which nothing before has used. The time is that of condensing, with compilation, without loading and evaluation.
An interrupted run is resumed, and its seconds add up.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, machine_name, save
from condensation import Compute, Recipe, StepInfo, evaluate
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.folder import SETTINGS
from condensation.runs.presets import preset_for
from condensation.runs.run import run
from condensation.studies.published_numbers import published


class Clock:
    """An observer that counts the seconds of condensing. A resumed run adds to its earlier seconds; repeated steps count twice."""

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine, self.began = path, machine, 0.0
        saved: dict[str, Any] = read_json(path) if path.exists() else {"on": machine, "seconds": 0.0}
        if saved["on"] != machine:
            raise SystemExit(f"{path} was measured on {saved['on']}, but this is {machine}. Choose another --runs.")
        self.before = self.seconds = float(saved["seconds"])

    def __call__(self, info: StepInfo) -> None:
        now = time.perf_counter()
        self.began = self.began or now  # the first call comes before the first step
        self.seconds = self.before + now - self.began
        if info.step % 20 == 0 or info.step == info.steps:
            write_json(self.path, {"on": self.machine, "seconds": self.seconds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="data set and images per class, such as cifar10-10")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--networks", type=int, default=5, help="networks of the evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args()
    source, _, ipc = options.job.rpartition("-")
    case = f"{options.job}-{options.preset}-seed{options.seed}"
    compute = Compute(device=options.device).resolve()
    preset = preset_for(options.preset, {"ipc": int(ipc), "data": {"source": source}})
    settings = replace(
        preset,
        data=DataSettings(source, preprocessing="published"),
        seed=options.seed,
        evaluation=replace(preset.evaluation, networks=0),
        compute=compute,
    )
    folder = options.runs / f"{case}-{machine_name(compute.device)}"
    clock = Clock(folder.with_suffix(".seconds.json"), compute.describe())
    result = run(settings, folder, resume=(folder / SETTINGS).exists(), observers=[clock])
    print(f"{options.job}, {options.preset}: condensed in {clock.seconds:.0f} s ({compute.describe()})", flush=True)
    started = time.perf_counter()
    evaluation = EvaluationSettings(networks=options.networks, recipe=Recipe.paper())
    test = settings.data.load().test
    scores = evaluate(result.condensed.images, test, recipe=evaluation.recipe, networks=evaluation.networks, compute=compute)
    seconds = time.perf_counter() - started
    number = published(source, int(ipc)).get("dm")
    print(f"{scores}, published {number}; evaluated in {seconds:.0f} s")
    numbers = {
        "condensing_seconds": round(clock.seconds, 1),
        "judging_seconds": round(seconds, 1),
        "published": [number.mean, number.deviation] if number else None,
        "accuracy": scores.summary(),
    }
    sources = {"settings": to_dict(settings), "evaluation": to_dict(evaluation), "compute": compute.describe()}
    save("accuracy", {**numbers, **sources}, options.out, compute.device, case)


if __name__ == "__main__":
    main()
