"""What makes DM cheap: width, real images a step, learning rate, averaging, start; judged on held-out training images.

    CONDENSATION_DATA=DIR python scripts/ablate.py            # every row that is not done yet; each takes minutes

Of the training images, 500 a class are held out; the rest is condensed, and networks trained on the result are tested on
those held out. Test images decide nothing. A row is one line of results/ablation.json, and is done once. One
thread a row, so that two rows can be done at a time (--part 0/2, --part 1/2); seconds are those of condensing on it.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measure_dm import commit

from condensation import DM, ConvNet, Fresh, ImageSet, Recipe, Rng, condense, evaluate, load
from condensation.core.environment import machine
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.methods.dm import LrSchedule
from condensation.methods.initialization import Initialization

RESULTS = Path(__file__).parent.parent / "results" / "ablation.json"
HELD_OUT = 500  # of each class


@dataclass(frozen=True)
class Row:
    """One setting of DM, and how it is judged."""

    ipc: int
    width: int
    real: int  # images a class and step
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
        networks = Fresh(ConvNet(width=self.width))
        return DM(
            self.steps,
            self.lr,
            self.schedule,
            averaging=self.averaging,
            batch_per_class=self.real,
            start=self.start,
            networks=networks,
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


def parts(train: ImageSet) -> tuple[ImageSet, ImageSet]:
    """What is condensed, and what it is judged by."""
    held = train.draw(HELD_OUT, Rng(123).child("validation")).indices
    kept = torch.ones(len(train), dtype=torch.bool)
    kept[held] = False
    return train.take(kept.nonzero().squeeze(1)), train.take(held.sort().values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="0/1", help="0/2: every second row from the first on, 1/2: from the second on")
    first, _, step = parser.parse_args().part.partition("/")
    torch.set_num_threads(1)
    for row in ROWS[int(first) :: int(step)]:
        key = json.loads(json.dumps(to_dict(row)))
        if any(done["row"] == key for done in results()):
            continue
        train, held = parts(load(row.data, preprocessing="published").train)
        started = time.perf_counter()
        small = condense(row.method, train, row.ipc)
        seconds = time.perf_counter() - started
        scores = evaluate(small, held, recipe=Recipe.paper(row.epochs), networks=row.networks, seed=7)
        print(f"{row}: {scores}, {seconds:.0f} s", flush=True)
        made_by = {"command": "python scripts/ablate.py", "commit": commit(), **machine()}
        write_json(RESULTS, [*results(), {"row": key, "seconds": round(seconds), "accuracy": scores.summary(), "made_by": made_by}])


def results() -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return done


if __name__ == "__main__":
    main()
