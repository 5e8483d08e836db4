"""Measure what each part of a preset gains, on images held out from training.

    CONDENSATION_DATA=DIR python -m benchmarks.gates cifar10-10 --variants plain tiles pool calibration between

A tenth of the training images of each class is held out; test images are not used. Each variant condenses the rest and is evaluated on
the held-out images, with the last state and after the last epoch. Finished variants of a result file are kept.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, commit, machine_name
from condensation import DATASETS, Checkpoint, Compute, ConvNet, Fresh, Recipe, Rng, condense, evaluate, load
from condensation.augment.diffaugment import DiffAugment
from condensation.core.environment import versions
from condensation.core.form import Frequencies, Tiles
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json
from condensation.methods.base import Method
from condensation.methods.dm import DM
from condensation.methods.herding import Herding
from condensation.methods.random import Random
from condensation.training.make_pool import held_out
from condensation.training.trained import Trained

SHARE = 0.1  # of each class, held out


def variants(ipc: int, steps: int, networks: int, epochs: int) -> dict[str, Method]:
    """Return the methods by name; each differs from an earlier one in one setting."""
    narrow = ConvNet(width=64)
    plain = DM(steps=steps, lr=1.0, averaging=0.99, batch_per_class=max(16, ipc), networks=Fresh(narrow))
    tiles = replace(plain, lr=2.0, batch_per_class=32, form=Tiles(2))
    pool = replace(tiles, networks=Trained(networks, epochs, spec=narrow))
    calibration = replace(pool, calibration=1.0)
    matching = DiffAugment(("color", "crop", "cutout"))
    return {
        "plain": plain,
        "tiles": tiles,
        "tiles-4": replace(tiles, form=Tiles(4)),
        "frequencies": replace(tiles, form=Frequencies(16)),
        "pool": pool,
        "calibration": calibration,
        "tiles-4-calibration": replace(calibration, form=Tiles(4)),
        "frequencies-calibration": replace(calibration, form=Frequencies(16)),
        "frequencies-4-calibration": replace(calibration, form=Frequencies(4)),
        "calibration-0.3": replace(pool, calibration=0.3),
        "calibration-3": replace(pool, calibration=3.0),
        "between": replace(calibration, networks=Trained(networks, epochs, "between", spec=narrow)),
        "matching": replace(calibration, augmentation=matching),
        "lr-4": replace(calibration, lr=4.0),
        "random": Random(),
        "random-tiles": Random(Tiles(2)),
        "herding": Herding(network=narrow),
        "herding-tiles": Herding(network=narrow, form=Tiles(2)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="data set and images per class, such as cifar10-10")
    parser.add_argument("--variants", nargs="+", default=["plain", "tiles", "pool", "calibration", "between", "matching"])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pool", nargs=2, type=int, default=(3, 3), metavar=("NETWORKS", "EPOCHS"))
    parser.add_argument("--networks", type=int, default=2, help="networks of the evaluation")
    parser.add_argument("--epochs", type=int, default=300, help="epochs of the evaluation")
    parser.add_argument("--recipe", choices=("paper", "cutmix"), default="paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/gates"), help="folder of checkpoints")
    parser.add_argument("--out", type=Path, default=RESULTS.parent / "gates", help="folder of the result file")
    options = parser.parse_args()
    source, _, ipc = options.job.rpartition("-")
    compute = Compute().resolve()
    data = load(source, preprocessing="published" if DATASETS[source].published else "standardize")
    train, test = held_out(data.train, SHARE, Rng(0).child("gates"))
    recipe = Recipe.paper(options.epochs) if options.recipe == "paper" else Recipe.with_cutmix(options.epochs)
    path = options.out / f"{options.job}-{options.recipe}.json"
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = read_json(path)["results"] if path.exists() else {}
    methods = variants(int(ipc), options.steps, *options.pool)
    for name in options.variants:
        key = f"{name}-steps{options.steps}-pool{options.pool[0]}x{options.pool[1]}-seed{options.seed}"
        if key in results:
            continue
        method, started = methods[name], time.perf_counter()
        checkpoint = Checkpoint(options.runs / f"{options.job}-{key}")
        images = condense(method, train, int(ipc), seed=options.seed, compute=compute, checkpoint=checkpoint)
        condensed = time.perf_counter()
        scores = evaluate(images, test, recipe=recipe, networks=options.networks, seed=1, compute=compute)
        seconds = {"condensing": round(condensed - started, 1), "evaluating": round(time.perf_counter() - condensed, 1)}
        print(f"{options.job} {key}: {scores} after {options.epochs} epochs of {options.recipe}, {seconds}", flush=True)
        results[key] = {"method": to_dict(method), "epochs": recipe.epochs, **scores.summary(), "seconds": seconds}
        made = {"commit": commit(), "machine": machine_name(compute.device), "compute": compute.describe(), "versions": versions()}
        settings = {"job": options.job, "held_out": SHARE, "recipe": to_dict(recipe)}
        write_json(path, {**made, **settings, "results": results})


if __name__ == "__main__":
    main()
