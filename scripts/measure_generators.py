"""Measure whether generators make images of the class that is asked for; writes results/generators/*.json and docs/images/*.png.

    CONDENSATION_DATA=DIR python scripts/measure_generators.py                              # what is not done yet
    CONDENSATION_DATA=DIR python scripts/measure_generators.py --only cifar10-gmmn --preset paper

Each generator is trained in a run folder, from which it goes on when broken off; 100 images of each class are drawn from it, and
a network that was trained on the real training images says what it takes them for. Nothing is chosen by that.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from condensation import METHODS, TrainedGenerator, grid, run
from condensation.artifact import versions
from condensation.compute import Compute, capability
from condensation.methods.generative import GenerativeMethod
from condensation.presets import preset_for
from condensation.recognition import RECOGNISER, recognised
from condensation.runs import CHECKPOINT, RunSettings
from condensation.settings import build, plain
from condensation.storage import write_json

ROOT = Path(__file__).parent.parent
RESULTS, IMAGES, RUNS = ROOT / "results" / "generators", ROOT / "docs" / "images", Path("runs") / "measure_generators"
DRAWN, SHOWN, SEED = 100, 10, 1
# Settings over those of the preset, by the name of the job; a job without any is a method's name.
VARIANTS: dict[str, dict[str, Any]] = {"gmmn-codes": {"name": "gmmn", "autoencoder": "sigmoid"}}


def jobs() -> dict[str, tuple[str, dict[str, Any]]]:
    """The data set and the method of each job."""
    kinds = {name: kind for name, kind in METHODS.items() if issubclass(kind, GenerativeMethod) and getattr(kind, "any_ipc", True)}
    methods = {name: {"name": name} for name in kinds} | VARIANTS  # of one that makes lessons, images say nothing one by one
    return {f"{data}-{name}": (data, method) for data in ("fashion-mnist", "cifar10") for name, method in methods.items()}


def measure(name: str, data_name: str, method: dict[str, Any], preset: str, epochs: int) -> dict[str, Any]:
    """Train, draw, recognise."""
    content = {"data": {"source": data_name}, "method": method, "ipc": SHOWN, "evaluation": {"networks": 0}}
    settings = build(RunSettings, content, preset_for(preset, content))
    folder = RUNS / f"{name}-{preset}"
    data = settings.data.load()
    run(settings, folder, resume=(folder / CHECKPOINT).exists(), data=data)
    compute = Compute().chosen()
    generator = TrainedGenerator.load(folder)
    found = recognised(generator.images(DRAWN, SEED, compute), data, epochs=epochs, compute=compute)
    grid(generator.images(SHOWN, SEED, compute), data.train, title=f"{data.name}: {name.removeprefix(f'{data_name}-')}").save(
        IMAGES / f"generator-{name}.png", optimize=True
    )
    seconds = [json.loads(line)["seconds"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()][-1]
    about = {"data": data.name, "preset": preset, "method": plain(settings.method), "drawn_of_each_class": DRAWN, "seed": SEED}
    return {
        **about,
        "recognised": found,
        "by": plain(RECOGNISER),
        "training_seconds": seconds,
        "versions": versions(),
        "machine": capability(),
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--only", nargs="*", help=f"of {', '.join(jobs())}")
    asked.add_argument("--preset", default="fast", help="of the methods' settings")
    asked.add_argument("--epochs", type=int, default=10, help="of the network that says what the images are taken for")
    given = asked.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, (data, method) in jobs().items():
        path = RESULTS / f"{name}-{given.preset}.json"
        if path.exists() or (given.only and name not in given.only):
            continue
        result = measure(name, data, method, given.preset, given.epochs)
        write_json(path, result)
        found, seconds = result["recognised"], result["training_seconds"]
        print(f"{name}: {found['images']:.1f} % recognised, {found['test']:.1f} % of real test images; {seconds:.0f} s of training")


if __name__ == "__main__":
    main()
