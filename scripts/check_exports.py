"""Train on each export of a set in plain PyTorch, beside what `evaluate` says; writes results/exports.json.

    python scripts/check_exports.py RUN [--networks 3] [--epochs N]

The set in the run folder is exported to png, npz, parquet and torch. `plain_training.py`, which imports nothing of the package,
trains on each by the lines of its card; `evaluate` judges the set and its 8-bit view by the same recipe. Nothing is augmented, since
the plain lines are not. Means may differ by chance: the networks are drawn by other generators.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from plain_training import digest

from condensation import CondensedSet, ConvNet, Zca, evaluate
from condensation.artifacts.export.base import eight_bit
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.environment import machine, versions
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.evaluate_saved import evaluation_of

RESULTS = Path(__file__).parent.parent / "results" / "exports.json"
PLAIN = Path(__file__).parent / "plain_training.py"
FORMATS = {"npz": "float32", "torch": "float32", "png": "8-bit", "parquet": "8-bit"}


def judged(images: ImageSet, data: Data, how: EvaluationSettings) -> dict[str, Any]:
    test = replace(data.test, preprocessing=images.preprocessing)
    compute = Compute(device="cpu", precision="float32")  # as the plain lines
    return evaluate(images, test, network=how.network, recipe=how.recipe, networks=how.networks, compute=compute).summary()


def trained_plainly(folder: Path, test: Path, networks: int, width: int) -> dict[str, Any]:
    command = [sys.executable, str(PLAIN), str(folder), str(test), "--networks", str(networks), "--width", str(width)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    values = np.array(said["values"])
    return {"mean": round(float(values.mean()), 3), "deviation": round(float(values.std()), 3), "count": len(values), **said}


def noise(ours: dict[str, Any], plainly: dict[str, Any]) -> float:
    """Two standard errors of the difference of two means."""
    return 2 * math.sqrt(sum(one["deviation"] ** 2 / max(1, one["count"] - 1) for one in (ours, plainly)))


def check(run: Path, networks: int, epochs: int | None) -> dict[str, Any]:
    condensed = CondensedSet.load(run)
    own = evaluation_of(condensed)
    recipe = replace(own.recipe, augmentation=None, reset_momentum=False, epochs=epochs or own.recipe.epochs)
    width = own.network.width if isinstance(own.network, ConvNet) else ConvNet().width
    how = EvaluationSettings(networks, ConvNet(width=width), recipe)
    settings = condensed.card["settings"]
    # The card's lines train by the recipe that is on it.
    condensed = replace(condensed, card={"settings": {**settings, "evaluation": to_dict(how)}, "data": condensed.card["data"]})
    data = from_dict(DataSettings, settings["data"]).load()
    views = {"float32": condensed.images}
    if not isinstance(condensed.preprocessing, Zca):  # no picture of a whitened set can be trained on
        views["8-bit"] = replace(condensed.images, images=eight_bit(condensed.images))
    ours = {name: judged(view, data, how) for name, view in views.items()}
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as beside:
        test = Path(beside) / "test.npz"
        np.savez(test, pictures=eight_bit(data.test).numpy(), labels=data.test.labels.numpy())
        for to, view in FORMATS.items():
            if view not in views:
                continue
            print(f"{to} ...", file=sys.stderr, flush=True)
            row = trained_plainly(condensed.export(Path(beside) / to, to), test, networks, width)
            row["same bits"] = row.pop("images") == digest(views[view].inputs())  # as `evaluate` trains on
            row |= {"view": view, "difference": round(row["mean"] - ours[view]["mean"], 3), "noise": round(noise(ours[view], row), 3)}
            rows[to] = row
    return {
        "data": data.name,
        "set": len(condensed.images),
        "test": len(data.test),
        "evaluation": to_dict(how),
        "evaluate": ours,
        "plain": rows,
    }


def commit() -> str:
    """The commit that the working tree is at, marked if the code differs from it."""
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "src", "scripts"], capture_output=True, text=True, check=True).stdout
    return f"{name} (changed)" if changed else name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=None, help="by default as many as the run was judged with")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    made_by = {"commit": commit(), "machine": machine(), "versions": versions()}
    result = check(asked.run, asked.networks, asked.epochs)
    write_json(asked.out, {"command": " ".join(["python", *sys.argv]), "made_by": made_by, **result})
    print("| export | holds | same bits | plain PyTorch | evaluate | difference | two standard errors |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for to, row in result["plain"].items():
        ours = result["evaluate"][row["view"]]
        said = [f"{one['mean']:.1f} ± {one['deviation']:.1f}" for one in (row, ours)]
        bits = "yes" if row["same bits"] else "NO"
        print(f"| {to} | {row['view']} | {bits} | {said[0]} | {said[1]} | {row['difference']:+.1f} | {row['noise']:.1f} |")


if __name__ == "__main__":
    main()
