"""Measure whether generated images show the class they were drawn for; write results/generators/*.json and docs/images/*.png.

    CONDENSATION_DATA=DIR python scripts/measure_generators.py                              # every job that is not done yet
    CONDENSATION_DATA=DIR python scripts/measure_generators.py --only cifar10-gmmn --preset paper
    CONDENSATION_DATA=DIR python scripts/measure_generators.py --table tables/cifar10-supplement    # generators of `condense table`

Each generator is trained in a run folder, which an interrupted script resumes, or taken from the runs of a table. It draws 100 images
of each class, and a network that was trained on the real training images classifies them. This score selects nothing.
"""

import argparse
from pathlib import Path
from typing import Any

from measuring import ROOT, read_log

from condensation import METHODS, CondensedSet, Method, TrainedGenerator, grid, run
from condensation.artifacts.trained_generator import GENERATOR
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.evaluation.gan_test import CLASSIFIER, gan_test
from condensation.methods.generative import GenerativeMethod
from condensation.runs.files import CHECKPOINT, LOG, SETTINGS
from condensation.runs.presets import preset_for
from condensation.runs.settings import RunSettings

RESULTS, IMAGES, RUNS = ROOT / "results" / "generators", ROOT / "docs" / "images", Path("runs") / "measure_generators"
DRAWN, SHOWN, SEED = 100, 10, 1  # images per class in the test and in the picture, and their seed
VARIANTS: dict[str, dict[str, Any]] = {"gmmn-codes": {"name": "gmmn", "autoencoder": "sigmoid"}}  # settings over those of the preset
COMPARED = ("name", "autoencoder")  # settings that tell the methods of the jobs apart


def jobs() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the data set and the settings of the method of each job, by name."""
    # A generator of lessons is left out: single images of a lesson need not show their class.
    kinds = [name for name, kind in METHODS.items() if issubclass(kind, GenerativeMethod) and getattr(kind, "any_ipc", True)]
    methods = {name: {"name": name} for name in kinds} | VARIANTS
    return {f"{data}-{name}": (data, method) for data in ("fashion-mnist", "cifar10") for name, method in methods.items()}


def train(name: str, source: str, method: dict[str, Any], preset: str) -> Path:
    """Train the generator of a job in its run folder, or resume its training, and return the folder."""
    content = {"data": {"source": source}, "method": method, "ipc": SHOWN, "evaluation": {"networks": 0}}
    settings = from_dict(RunSettings, content, preset_for(preset, content))
    folder = RUNS / f"{name}-{preset}"
    run(settings, folder, resume=(folder / CHECKPOINT).exists())
    return folder


def trained_in(table: Path, source: str, method: dict[str, Any]) -> Path | None:
    """Return the folder of the first run of a table with this data set and a generator of this method."""
    wanted = to_dict(from_dict(Method, method))  # type: ignore[type-abstract]
    for folder in sorted((table / "runs").glob("*")):
        if (folder / GENERATOR).exists():
            settings = from_dict(RunSettings, read_json(folder / SETTINGS)["settings"])
            trained = to_dict(settings.method)
            if settings.data.source == source and all(trained.get(key) == wanted.get(key) for key in COMPARED):
                return folder
    return None


def measure(name: str, folder: Path, epochs: int) -> dict[str, Any]:
    """Draw images from the generator of the run in ``folder`` and apply the GAN test to them."""
    settings = from_dict(RunSettings, read_json(folder / SETTINGS)["settings"])
    data, compute = settings.data.load(), Compute().resolve()
    generator = TrainedGenerator.load(folder)
    images = generator.images(DRAWN, SEED, compute)
    result = {**gan_test(images, data, epochs=epochs, compute=compute), "epochs": epochs}
    shown = generator.images(SHOWN, SEED, compute)
    title = f"{data.name}: {to_dict(settings.method)['name']}"
    grid(shown, data.train, title=title).save(IMAGES / f"generator-{name}.png", optimize=True)
    return {
        "data": data.name,
        "method": to_dict(settings.method),
        "drawn_of_each_class": DRAWN,
        "seed": SEED,
        "recognised": result,
        "by": to_dict(CLASSIFIER),
        "training_seconds": read_log(folder)[-1]["seconds"] if (folder / LOG).exists() else None,
        "trained_on": CondensedSet.load(folder).card["machine"],
        "versions": versions(),
        "recognised_on": machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="JOB", help=f"some of: {', '.join(jobs())}")
    parser.add_argument("--preset", default="fast", help="preset of the methods")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the network that classifies the images")
    parser.add_argument("--table", type=Path, help="folder of a table; its generators are used instead of training new ones")
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, (source, method) in jobs().items():
        path = RESULTS / f"{name}-{options.table.name if options.table else options.preset}.json"
        if path.exists() or (options.only and name not in options.only):
            continue
        folder = trained_in(options.table, source, method) if options.table else train(name, source, method, options.preset)
        if folder is None:
            continue
        result = measure(name, folder, options.epochs)
        write_json(path, result)
        accuracy = result["recognised"]
        print(f"{name}: accuracy {accuracy['images']:.1f} % on drawn images, {accuracy['test']:.1f} % on real test images")


if __name__ == "__main__":
    main()
