"""Time a preset until it reaches the accuracy of the paper.

    CONDENSATION_DATA=DIR python -m benchmarks.accuracy cifar10-10 --preset fast

Condense the training images, preprocessed as in the papers. Then evaluate the last state on the test images, which nothing before
has used, with the recipe of the published code or with CutMix. The time is that of condensing, with compilation and the networks that are
trained first, without loading and evaluation. An interrupted run is resumed, and its seconds add up. With --baselines, random real images
and those of herding are evaluated too, in the same form. With --set, the set is rounded to 16 bits and written to a file, with its
accuracy, as the package includes such sets; 8 bits would clip most pixels, which lie far outside the range of pictures.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, commit, machine_name, save
from condensation import DATASETS, Compute, CondensedSet, Herding, Random, Recipe, StepInfo, condense
from condensation.core.plain import to_dict
from condensation.core.progress import Progress
from condensation.core.storage import read_json, write_json
from condensation.data.catalogue import DatasetInfo
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import Entry, EvaluationSettings, compare
from condensation.evaluation.scores import Scores, SetScore
from condensation.runs.files import SETTINGS
from condensation.runs.presets import preset_for
from condensation.runs.run import run
from condensation.studies.published_numbers import published

RECIPES = {"paper": Recipe.paper, "cutmix": Recipe.with_cutmix}


class Clock:
    """An observer that counts the seconds of condensing, by the clock and of this process' threads, which other work does not prolong.

    A resumed run adds to its earlier seconds; repeated steps count twice.
    """

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine = path, machine
        saved: dict[str, Any] = read_json(path) if path.exists() else {"on": machine}
        if saved["on"] != machine:
            raise SystemExit(f"{path} was measured on {saved['on']}, but this is {machine}. Choose another --runs.")
        self.before = float(saved.get("seconds", 0.0)), float(saved.get("cpu_seconds", 0.0))
        self.began = (0.0, 0.0)
        self.seconds, self.cpu_seconds = self.before

    def __call__(self, info: StepInfo) -> None:
        self.count(info.step % 20 == 0 or info.step == info.steps)

    def training(self, done: int, total: int) -> None:
        """Count the networks that are trained before the first step."""
        self.count(done % 100 == 0)

    def count(self, save: bool) -> None:
        now = time.perf_counter(), time.process_time()
        self.began = self.began if any(self.began) else now  # the first call comes before the first step
        passed = [before + at - began for before, at, began in zip(self.before, now, self.began, strict=True)]
        self.seconds, self.cpu_seconds = passed
        if save:
            write_json(self.path, {"on": self.machine, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds})


def rounded(condensed: CondensedSet) -> CondensedSet:
    """Return the set with pixels of 16-bit precision."""
    return replace(condensed, images=replace(condensed.images, images=condensed.images.images.half().float()))


def write_set(condensed: CondensedSet, scores: Scores, about: DatasetInfo, evaluation: EvaluationSettings, path: Path) -> None:
    """Write a rounded set, with the accuracy of the set and the terms of its data on its card."""
    card, terms = condensed.card, {"title": about.title, "licence": about.licence, "origin": about.origin}
    settings = {**card["settings"], "evaluation": to_dict(evaluation)}
    card = {**card, "settings": settings, "data": {**card["data"], **terms}, "commit": commit()}
    images = replace(condensed.images, images=condensed.images.images.half())
    replace(condensed, images=images, card=card).with_scores(scores.for_card().to_json()).save(path)


def summary(score: SetScore) -> dict[str, Any]:
    """Return the accuracies of a set for the result file."""
    names = ("mean", "deviation", "deviation_between_sets", "count", "values", "per_class")
    return {name: getattr(score, name) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="data set and images per class, such as cifar10-10")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--recipe", choices=RECIPES, default="paper")
    parser.add_argument("--baselines", action="store_true", help="also evaluate random images and herding, in the same form")
    parser.add_argument("--set", type=Path, metavar="FILE", help="file of the set, rounded to 16 bits")
    parser.add_argument("--networks", type=int, default=5, help="networks of the evaluation")
    parser.add_argument("--epochs", type=int, default=1000, help="epochs of the evaluation; published: 1,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args()
    source, _, ipc = options.job.rpartition("-")
    case = f"{options.job}-{options.preset}-seed{options.seed}"
    parts = [options.recipe] * (options.recipe != "paper") + [f"{options.epochs}-epochs"] * (options.epochs != 1000)
    judged = "-".join([case, *parts])
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
    evaluation = EvaluationSettings(networks=options.networks, recipe=RECIPES[options.recipe](options.epochs))
    data, condensed = settings.data.load(), rounded(result.condensed) if options.set else result.condensed
    form, entries = condensed.images.form, [Entry("dm", condensed.images)]
    for method in (Random(form), Herding(form=form)) if options.baselines else ():
        entries.append(Entry(method.name, condense(method, data.train, int(ipc), seed=options.seed, compute=compute)))
    scores = compare(entries, data, evaluation, 0, compute)
    if options.set:
        write_set(condensed, scores, DATASETS[source], evaluation, options.set)
    seconds = time.perf_counter() - started
    number = published(source, int(ipc)).get("dm")
    print(f"{', '.join(f'{name} {score.text}' for name, score in scores.sets.items())}, published {number}; evaluated in {seconds:.0f} s")
    accuracies = {name: summary(score) for name, score in scores.sets.items()}
    numbers = {
        "preset": options.preset,
        "condensing_seconds": round(clock.seconds, 1),
        "condensing_cpu_seconds": round(clock.cpu_seconds, 1),
        "judging_seconds": round(seconds, 1),
        "published": [number.mean, number.deviation] if number else None,
        "accuracy": accuracies.pop("dm"),
        "baselines": accuracies,
    }
    sources = {"settings": to_dict(settings), "evaluation": to_dict(evaluation), "compute": compute.describe()}
    save("accuracy", {**numbers, **sources}, options.out, compute.device, judged)


if __name__ == "__main__":
    main()
