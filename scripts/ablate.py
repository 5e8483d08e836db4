"""What makes DM cheap: width, real images a step, learning rate, averaging; judged on held-out training images.

    CONDENSATION_DATA=DIR python scripts/ablate.py            # every row that is not done yet; each takes minutes

Of the training images of CIFAR10, 500 a class are held out; the rest is condensed, and 3 networks of 300 epochs are tested
on those held out. Test images are not loaded at all. A row is one line of results/ablation.json, and is done once. One
thread a row, so that two rows can be done at a time (--part 0/2, --part 1/2); seconds are those of condensing on it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

import torch

from condensation import DM, ConvNet, Fresh, ImageSet, Recipe, Rng, condense, evaluate, load
from condensation.compute import capability
from condensation.settings import plain
from condensation.storage import write_json

RESULTS = Path(__file__).parent.parent / "results" / "ablation.json"
HELD_OUT = 500  # of each class
NETWORKS, EPOCHS = 3, 300


def row(ipc: int, width: int, real: int, lr: float, steps: int, averaging: float, schedule: str = "constant") -> tuple[int, DM]:
    networks = Fresh(ConvNet(width=width))
    return ipc, DM(steps, lr, schedule, averaging=averaging, batch_per_class=real, networks=networks)  # type: ignore[arg-type]


ROWS = [
    row(10, 64, 16, 2, 1000, 0.99),
    row(10, 64, 16, 2, 1000, 0.998),
    row(10, 64, 16, 2, 4000, 0.99),
    row(10, 64, 16, 2, 4000, 0.998),
    row(10, 64, 16, 4, 4000, 0.0, "cosine"),
    row(10, 64, 16, 4, 4000, 0.99, "cosine"),
    row(10, 64, 64, 4, 4000, 0.0, "cosine"),
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
    train, held = parts(load("cifar10", preprocessing="published").train)
    for ipc, method in ROWS[int(first) :: int(step)]:
        key = {"ipc": ipc, "method": plain(method)}
        if any({name: done[name] for name in key} == key for done in results()):
            continue
        started = time.perf_counter()
        small = condense(method, train, ipc)
        seconds = time.perf_counter() - started
        scores = evaluate(small, held, recipe=Recipe.paper(EPOCHS), networks=NETWORKS, seed=7)
        print(f"{key}: {scores}, {seconds:.0f} s", flush=True)
        made_by = {"command": "python scripts/ablate.py", "commit": commit(), **capability()}
        write_json(RESULTS, [*results(), {**key, "seconds": round(seconds), "accuracy": scores.summary(), "made_by": made_by}])


def results() -> list[dict[str, object]]:
    done: list[dict[str, object]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return done


def commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=RESULTS.parent, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
