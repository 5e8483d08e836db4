"""Which learning rate of images suits residual networks? Measured on images held out from training; writes results/resnet-lr.json.

    python scripts/measure_resnet_lr.py     # what is not measured yet, about a minute each on 2 cores

DM at one image per class on embedded data, 30 steps; a fifth of the training images of each class is held out, and judges
the sets. Test images are not touched. What is measured is kept one by one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from condensation import DM, NETWORKS, Compute, ConvNet, Fresh, ImageSet, Random, Recipe, condense, evaluate, load
from condensation.core.environment import machine, versions
from condensation.core.plain import to_dict
from condensation.core.storage import read_json, write_json

PATH = Path(__file__).parent.parent / "results" / "resnet-lr.json"
COMPUTE = Compute(compile="never")
RATES = {"resnet18-ap": (1.0, 0.1, 0.01, 0.001), "resnet18-bn-ap": (1.0, 0.1, 0.01)}


def split(train: ImageSet) -> tuple[ImageSet, ImageSet]:
    """The first four fifths of each class, and the last."""
    held = torch.zeros(len(train), dtype=torch.bool)
    for label, count in train.counts.items():
        held[train.starts[label] + count * 4 // 5 : train.starts[label] + count] = True
    return train.take((~held).nonzero().squeeze(1)), train.take(held.nonzero().squeeze(1))


def main() -> None:
    fitted, held = split(load("fashion-mini").train)
    results: dict[str, Any] = read_json(PATH) if PATH.exists() else {"random": None, "sets": {}}
    results |= {"command": "python scripts/measure_resnet_lr.py", "machine": machine(), "versions": versions()}

    def judged(images: ImageSet) -> dict[str, Any]:
        scores = evaluate(images, held, network=ConvNet(width=32), recipe=Recipe(epochs=200), networks=3, compute=COMPUTE)
        print(f"  {scores}", flush=True)
        return scores.summary()

    if not results["random"]:
        results["random"] = judged(condense(Random(), fitted, 1, compute=COMPUTE))
    for name, rates in RATES.items():
        for lr in rates:
            if f"{name}, lr {lr:g}" in results["sets"]:
                continue
            print(f"{name}, lr {lr:g}", flush=True)
            method = DM(steps=30, lr=lr, batch_per_class=4, networks=Fresh(NETWORKS[name]))
            images = condense(method, fitted, 1, compute=COMPUTE)
            largest = round(float(images.images.abs().max()), 1)
            results["sets"][f"{name}, lr {lr:g}"] = {"method": to_dict(method), "largest_pixel": largest, **judged(images)}
            write_json(PATH, results)


if __name__ == "__main__":
    main()
