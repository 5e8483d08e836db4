"""Measure what makes DM cheap: width, real images per step, learning rate, averaging, initialization; write results/ablation.json.

    CONDENSATION_DATA=DIR python -m scripts.ablate            # every row that is not done yet; each takes minutes

500 training images of each class are held out. The others are condensed, and networks trained on the result are tested on the held-out
images. Test images decide nothing. Each row is one entry of the results and runs once. Rows use one thread, so that two processes can
share them (--part 0/2, --part 1/2); the seconds are those of condensing.
"""

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import torch
from benchmarks.harness import ROOT, commit

from condensation import DM, ConvNet, Fresh, ImageSet, Recipe, Rng, condense, evaluate, load
from condensation.core.environment import machine
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.methods.dm import LrSchedule
from condensation.methods.initialization import Initialization

RESULTS = ROOT / "results" / "ablation.json"
HELD_OUT = 500  # images per class


@dataclass(frozen=True)
class Row:
    """Settings of DM and of the evaluation."""

    ipc: int
    width: int
    real: int  # images per class and step
    lr: float
    steps: int
    averaging: float = 0.0
    schedule: LrSchedule = "constant"
    data: str = "cifar10"
    networks: int = 3
    epochs: int = 300
    start: Initialization = "real"

    @property
    def method(self) -> DM:
        return DM(
            self.steps,
            self.lr,
            self.schedule,
            averaging=self.averaging,
            batch_per_class=self.real,
            start=self.start,
            networks=Fresh(ConvNet(width=self.width)),
        )


ROWS = [
    Row(10, 64, 16, 2.0, 1000, 0.99),
    Row(10, 64, 16, 2.0, 1000, 0.998),
    Row(10, 64, 16, 2.0, 4000, 0.99),
    Row(10, 64, 16, 2.0, 4000, 0.998),
    Row(10, 64, 16, 4.0, 4000, 0.0, "cosine"),
    Row(10, 64, 16, 4.0, 4000, 0.99, "cosine"),
    Row(10, 64, 64, 4.0, 4000, 0.0, "cosine"),
    Row(10, 64, 16, 5.0, 3000, 0.99),
    Row(10, 128, 32, 2.0, 1500, 0.99),
    Row(10, 32, 32, 6.0, 4000, 0.99),
    Row(10, 64, 16, 1.0, 4000, 0.998),
    Row(10, 64, 16, 0.5, 4000, 0.998),
    Row(1, 64, 16, 0.5, 500, 0.998, networks=5),
    Row(1, 64, 16, 0.5, 2000, 0.998, networks=5),
    Row(1, 64, 16, 2.0, 500, 0.998, networks=5),
    Row(1, 64, 16, 2.0, 2000, 0.998, networks=5),
    Row(1, 64, 64, 0.5, 1000, 0.998, networks=5),
    Row(50, 64, 16, 1.0, 800, 0.99, networks=1, epochs=100),
    Row(50, 64, 16, 4.0, 800, 0.99, networks=1, epochs=100),
    Row(10, 64, 16, 1.0, 3000, 0.998, data="fashion-mnist", networks=2),
    Row(10, 64, 64, 1.0, 8000, 0.999),
    Row(1, 64, 16, 0.1, 3000, 0.998, networks=5),
    Row(1, 64, 16, 0.316, 3000, 0.998, networks=5),
    Row(50, 64, 16, 2.236, 3000, 0.998, networks=1),
    Row(50, 64, 16, 8.0, 3000, 0.998, networks=1),
    Row(50, 64, 64, 5.0, 3000, 0.998, networks=1),
    Row(50, 64, 64, 8.0, 3000, 0.99, "cosine", networks=1),
    Row(10, 64, 16, 4.0, 3000, 0.998, data="fashion-mnist"),
    Row(10, 64, 16, 12.0, 3000, 0.998, data="fashion-mnist"),
    Row(10, 64, 32, 8.0, 3000, 0.99, "cosine", data="fashion-mnist"),
    Row(10, 64, 16, 1.0, 3000, 0.998, data="mnist"),
    Row(10, 64, 16, 4.0, 3000, 0.998, data="mnist"),
    Row(10, 64, 16, 2.0, 3000, 0.998, data="fashion-mnist"),
    Row(1, 64, 16, 0.316, 3000, 0.998, data="fashion-mnist", networks=5),
    Row(1, 64, 16, 1.26, 3000, 0.998, data="fashion-mnist", networks=5),
    Row(1, 64, 16, 0.316, 3000, 0.998, data="mnist", networks=5),
    Row(1, 64, 16, 1.26, 3000, 0.998, data="mnist", networks=5),
    Row(50, 64, 50, 5.0, 1000, 0.998, data="fashion-mnist", networks=2, epochs=150),
    Row(50, 64, 50, 20.0, 1000, 0.998, data="fashion-mnist", networks=2, epochs=150),
    Row(10, 64, 16, 4.0, 3000, 0.998, data="fashion-mnist", start="kmeans"),
    Row(10, 64, 16, 4.0, 3000, 0.998, data="mnist", start="kmeans"),
    Row(1, 64, 16, 1.26, 3000, 0.998, data="fashion-mnist", networks=5, start="kmeans"),
    Row(1, 64, 16, 1.26, 3000, 0.998, data="mnist", networks=5, start="kmeans"),
    Row(10, 64, 16, 1.0, 4000, 0.998, start="kmeans"),
]


def hold_out(train: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Return the images to condense, and the held-out images."""
    held = train.draw(HELD_OUT, Rng(123).child("validation")).indices
    kept = torch.ones(len(train), dtype=torch.bool)
    kept[held] = False
    return train.take(kept.nonzero().squeeze(1)), train.take(held.sort().values)


def read_results() -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="0/1", help="0/2: every second row from the first, 1/2: from the second")
    first, _, step = parser.parse_args().part.partition("/")
    torch.set_num_threads(1)
    for row in ROWS[int(first) :: int(step)]:
        key = json.loads(json.dumps(to_dict(row)))
        if any(result["row"] == key for result in read_results()):
            continue
        train, held = hold_out(load(row.data, preprocessing="published").train)
        started = time.perf_counter()
        small = condense(row.method, train, row.ipc)
        seconds = time.perf_counter() - started
        scores = evaluate(small, held, recipe=Recipe.paper(row.epochs), networks=row.networks, seed=7)
        print(f"{row}: {scores}, {seconds:.0f} s", flush=True)
        made_by = {"command": "python -m scripts.ablate", "commit": commit(), **machine()}
        result = {"row": key, "seconds": round(seconds), "accuracy": scores.summary(), "made_by": made_by}
        write_json(RESULTS, [*read_results(), result])  # read again: another process may have added rows


if __name__ == "__main__":
    main()
