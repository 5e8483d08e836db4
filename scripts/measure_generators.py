"""Measure whether generators make images of the class that is asked for; writes results/generators/*.json and docs/images/*.png.

    CONDENSATION_DATA=DIR python scripts/measure_generators.py                              # what is not done yet
    CONDENSATION_DATA=DIR python scripts/measure_generators.py --only cifar10-gmmn --preset paper
    CONDENSATION_DATA=DIR python scripts/measure_generators.py --table tables/cifar10-supplement    # what `condense table` has trained

Each generator is trained in a run folder, from which it goes on when broken off, or taken from the runs of a table; 100 images of
each class are drawn from it, and a network that was trained on the real training images says what it takes them for. Nothing
is chosen by that.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from condensation import METHODS, CondensedSet, Method, TrainedGenerator, grid, run
from condensation.artifacts.trained_generator import GENERATOR
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.evaluation.gan_test import CLASSIFIER, gan_test
from condensation.methods.generative import GenerativeMethod
from condensation.runs.folder import CHECKPOINT, LOG, SETTINGS
from condensation.runs.presets import preset_for
from condensation.runs.settings import RunSettings

ROOT = Path(__file__).parent.parent
RESULTS, IMAGES, RUNS = ROOT / "results" / "generators", ROOT / "docs" / "images", Path("runs") / "measure_generators"
DRAWN, SHOWN, SEED = 100, 10, 1
# Settings over those of the preset, by the name of the job; a job without any is a method's name.
VARIANTS: dict[str, dict[str, Any]] = {"gmmn-codes": {"name": "gmmn", "autoencoder": "sigmoid"}}
VARIED = ("autoencoder",)


def jobs() -> dict[str, tuple[str, dict[str, Any]]]:
    """The data set and the method of each job."""
    kinds = {name: kind for name, kind in METHODS.items() if issubclass(kind, GenerativeMethod) and getattr(kind, "any_ipc", True)}
    methods = {name: {"name": name} for name in kinds} | VARIANTS  # of one that makes lessons, images say nothing one by one
    return {f"{data}-{name}": (data, method) for data in ("fashion-mnist", "cifar10") for name, method in methods.items()}


def train(name: str, data_name: str, method: dict[str, Any], preset: str) -> Path:
    """Train the generator of a job into its run folder, or go on with it."""
    content = {"data": {"source": data_name}, "method": method, "ipc": SHOWN, "evaluation": {"networks": 0}}
    settings = from_dict(RunSettings, content, preset_for(preset, content))
    folder = RUNS / f"{name}-{preset}"
    run(settings, folder, resume=(folder / CHECKPOINT).exists())
    return folder


def trained_in(table: Path, data_name: str, method: dict[str, Any]) -> Path | None:
    """The first run of a table that is of this data set and has a generator of this method."""
    wanted = to_dict(from_dict(Method, method))  # type: ignore[type-abstract]
    for folder in sorted((table / "runs").glob("*")):
        if (folder / GENERATOR).exists():
            settings = from_dict(RunSettings, read_json(folder / SETTINGS)["settings"])
            there = to_dict(settings.method)
            if settings.data.source == data_name and all(there.get(key) == wanted.get(key) for key in ("name", *VARIED)):
                return folder
    return None


def measure(name: str, folder: Path, epochs: int) -> dict[str, Any]:
    """Draw images from the generator of the run in ``folder`` and apply the GAN test to them."""
    settings = from_dict(RunSettings, read_json(folder / SETTINGS)["settings"])
    data, compute = settings.data.load(), Compute().resolve()
    generator = TrainedGenerator.load(folder)
    images = generator.images(DRAWN, SEED, compute)
    result = {**gan_test(images, data, epochs=epochs, compute=compute), "epochs": epochs}
    few = generator.images(SHOWN, SEED, compute)
    grid(few, data.train, title=f"{data.name}: {to_dict(settings.method)['name']}").save(IMAGES / f"generator-{name}.png", optimize=True)
    log = folder / LOG
    seconds = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["seconds"] if log.exists() else None
    return {
        "data": data.name,
        "method": to_dict(settings.method),
        "drawn_of_each_class": DRAWN,
        "seed": SEED,
        "recognised": result,
        "by": to_dict(CLASSIFIER),
        "training_seconds": seconds,
        "trained_on": CondensedSet.load(folder).card["machine"],
        "versions": versions(),
        "recognised_on": machine(),
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--only", nargs="*", help=f"of {', '.join(jobs())}")
    asked.add_argument("--preset", default="fast", help="of the methods' settings")
    asked.add_argument("--epochs", type=int, default=10, help="of the network that says what the images are taken for")
    asked.add_argument("--table", type=Path, help="a table's folder, from whose runs generators are taken in place of training them")
    given = asked.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, (data, method) in jobs().items():
        path = RESULTS / f"{name}-{given.table.name if given.table else given.preset}.json"
        if path.exists() or (given.only and name not in given.only):
            continue
        folder = trained_in(given.table, data, method) if given.table else train(name, data, method, given.preset)
        if folder is None:
            continue
        result = measure(name, folder, given.epochs)
        write_json(path, result)
        accuracy = result["recognised"]
        print(f"{name}: {accuracy['images']:.1f} % recognized, {accuracy['test']:.1f} % of real test images")


if __name__ == "__main__":
    main()
