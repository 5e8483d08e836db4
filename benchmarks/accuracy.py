"""Time a preset until it reaches the accuracy of the paper.

    CONDENSATION_DATA=DIR python -m benchmarks.accuracy cifar10-10 --preset fast

Condense the training images, preprocessed as in the papers. Then evaluate the last state on the test images, which nothing before
has used, with the recipe of the published code or with CutMix. The time is that of condensing, with compilation and the networks that are
trained first, without loading and evaluation. An interrupted run is resumed, and its seconds add up. With --baselines, random real images
and those of herding are evaluated too, in the same form.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, machine_name, save
from condensation import Compute, Herding, Random, Recipe, StepInfo, condense, evaluate
from condensation.core.plain import to_dict
from condensation.core.progress import Progress
from condensation.core.storage import read_json, write_json
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.files import SETTINGS
from condensation.runs.presets import preset_for
from condensation.runs.run import run
from condensation.studies.published_numbers import published

RECIPES = {"paper": Recipe.paper, "cutmix": Recipe.with_cutmix}


class Clock:
    """An observer that counts the seconds of condensing. A resumed run adds to its earlier seconds; repeated steps count twice."""

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine, self.began = path, machine, 0.0
        saved: dict[str, Any] = read_json(path) if path.exists() else {"on": machine, "seconds": 0.0}
        if saved["on"] != machine:
            raise SystemExit(f"{path} was measured on {saved['on']}, but this is {machine}. Choose another --runs.")
        self.before = self.seconds = float(saved["seconds"])

    def __call__(self, info: StepInfo) -> None:
        self.count(info.step % 20 == 0 or info.step == info.steps)

    def training(self, done: int, total: int) -> None:
        """Count the networks that are trained before the first step."""
        self.count(done % 100 == 0)

    def count(self, save: bool) -> None:
        now = time.perf_counter()
        self.began = self.began or now  # the first call comes before the first step
        self.seconds = self.before + now - self.began
        if save:
            write_json(self.path, {"on": self.machine, "seconds": self.seconds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="data set and images per class, such as cifar10-10")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--recipe", choices=RECIPES, default="paper")
    parser.add_argument("--baselines", action="store_true", help="also evaluate random images and herding, in the same form")
    parser.add_argument("--networks", type=int, default=5, help="networks of the evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args()
    source, _, ipc = options.job.rpartition("-")
    case = f"{options.job}-{options.preset}-seed{options.seed}"
    judged = case if options.recipe == "paper" else f"{case}-{options.recipe}"
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
    result = run(settings, folder, resume=(folder / SETTINGS).exists(), observers=[clock], progress=Progress(training=clock.training))
    print(f"{options.job}, {options.preset}: condensed in {clock.seconds:.0f} s ({compute.describe()})", flush=True)
    started = time.perf_counter()
    evaluation = EvaluationSettings(networks=options.networks, recipe=RECIPES[options.recipe]())
    data, form = settings.data.load(), result.condensed.images.form
    sets = {"condensed": result.condensed.images}
    for method in (Random(form), Herding(form=form)) if options.baselines else ():
        sets[method.name] = condense(method, data.train, int(ipc), seed=options.seed, compute=compute)
    scores = {
        name: evaluate(images, data.test, recipe=evaluation.recipe, networks=evaluation.networks, compute=compute)
        for name, images in sets.items()
    }
    seconds = time.perf_counter() - started
    number = published(source, int(ipc)).get("dm")
    print(f"{', '.join(f'{name} {score}' for name, score in scores.items())}, published {number}; evaluated in {seconds:.0f} s")
    numbers = {
        "preset": options.preset,
        "condensing_seconds": round(clock.seconds, 1),
        "judging_seconds": round(seconds, 1),
        "published": [number.mean, number.deviation] if number else None,
        "accuracy": scores.pop("condensed").summary(),
        "baselines": {name: score.summary() for name, score in scores.items()},
    }
    sources = {"settings": to_dict(settings), "evaluation": to_dict(evaluation), "compute": compute.describe()}
    save("accuracy", {**numbers, **sources}, options.out, compute.device, judged)


if __name__ == "__main__":
    main()
