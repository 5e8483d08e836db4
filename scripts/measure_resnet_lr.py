"""Measure which learning rate of images suits residual networks, on held-out training images; write results/resnet-lr.json.

    python scripts/measure_resnet_lr.py     # what is not measured yet, about a minute each on 2 cores

DM condenses a bundled data set to one image per class in 30 steps. A fifth of the training images of each class is held out and
tests the networks of the evaluation. Test images are not used. Every result is saved at once.
"""

from typing import Any

import torch
from measuring import ROOT, score

from condensation import DM, NETWORKS, Compute, ConvNet, Fresh, ImageSet, Random, Recipe, condense, load
from condensation.core.environment import machine, versions
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json

PATH = ROOT / "results" / "resnet-lr.json"
COMPUTE = Compute(compile="never")
RATES = {"resnet18-ap": (1.0, 0.1, 0.01, 0.001), "resnet18-bn-ap": (1.0, 0.1, 0.01)}


def split(train: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Return the first four fifths of each class, and the last."""
    held = torch.zeros(len(train), dtype=torch.bool)
    for label, count in train.counts.items():
        held[train.starts[label] + count * 4 // 5 : train.starts[label] + count] = True
    return train.take((~held).nonzero().squeeze(1)), train.take(held.nonzero().squeeze(1))


def main() -> None:
    train, held = split(load("fashion-mini").train)
    results: dict[str, Any] = read_json(PATH) if PATH.exists() else {"random": None, "sets": {}}
    results |= {"command": "python scripts/measure_resnet_lr.py", "machine": machine(), "versions": versions()}

    def scored(images: ImageSet) -> dict[str, Any]:
        return score(images, held, Recipe(epochs=200), 3, ConvNet(width=32), COMPUTE)

    if not results["random"]:
        results["random"] = scored(condense(Random(), train, 1, compute=COMPUTE))
    for name, lr in ((name, lr) for name, rates in RATES.items() for lr in rates):
        key = f"{name}, lr {lr:g}"
        if key not in results["sets"]:
            print(key, flush=True)
            method = DM(steps=30, lr=lr, batch_per_class=4, networks=Fresh(NETWORKS[name]))
            images = condense(method, train, 1, compute=COMPUTE)
            largest = round(float(images.images.abs().max()), 1)
            results["sets"][key] = {"method": to_dict(method), "largest_pixel": largest, **scored(images)}
            write_json(PATH, results)


if __name__ == "__main__":
    main()
