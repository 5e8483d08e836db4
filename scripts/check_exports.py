"""Compare plain PyTorch on each export of a set with `evaluate`; write results/exports.json.

    python -m scripts.check_exports RUN [--networks 3] [--epochs N]

The set in the run folder is exported to png, npz, parquet and torch. `plain_training.py`, which does not import the package, trains on
each with the code of its card; `evaluate` scores the set and its 8-bit images with the same recipe. Nothing is augmented, because the
code of the card does not augment. Means differ by chance: the networks have other initializations.
"""

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
from benchmarks.harness import ROOT, made_by
from scripts.plain_training import digest

from condensation import CondensedSet, ConvNet, Zca, evaluate
from condensation.artifacts.export.base import eight_bit
from condensation.config.build import from_dict
from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.storage import write_json
from condensation.data.dataset import Data
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.evaluate_saved import evaluation_of

RESULTS = ROOT / "results" / "exports.json"
PLAIN = Path(__file__).parent / "plain_training.py"
FORMATS = {"npz": "float32", "torch": "float32", "png": "8-bit", "parquet": "8-bit"}


def package_score(images: ImageSet, data: Data, settings: EvaluationSettings) -> dict[str, Any]:
    """Return the accuracies of ``evaluate``."""
    test = replace(data.test, preprocessing=images.preprocessing)
    compute = Compute(device="cpu", precision="float32")  # as in plain_training.py
    return evaluate(images, test, network=settings.network, recipe=settings.recipe, networks=settings.networks, compute=compute).summary()


def plain_score(folder: Path, test: Path, networks: int, width: int) -> dict[str, Any]:
    """Return the accuracies of plain PyTorch on an export, and the digest of its images."""
    command = [sys.executable, str(PLAIN), str(folder), str(test), "--networks", str(networks), "--width", str(width)]
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    values = np.array(result["values"])
    return {"mean": round(float(values.mean()), 3), "deviation": round(float(values.std()), 3), "count": len(values), **result}


def noise(package: dict[str, Any], plain: dict[str, Any]) -> float:
    """Return two standard errors of the difference of two means."""
    return 2 * math.sqrt(sum(score["deviation"] ** 2 / max(1, score["count"] - 1) for score in (package, plain)))


def check(run: Path, networks: int, epochs: int | None) -> dict[str, Any]:
    """Export the set of a run to each format, and score the exports and the set."""
    condensed = CondensedSet.load(run)
    saved = evaluation_of(condensed)
    recipe = replace(saved.recipe, augmentation=None, reset_momentum=False, epochs=epochs or saved.recipe.epochs)
    width = saved.network.width if isinstance(saved.network, ConvNet) else ConvNet().width
    evaluation = EvaluationSettings(networks, ConvNet(width=width), recipe)
    settings = condensed.card["settings"]
    # The code of the card uses the recipe on the card.
    condensed = replace(condensed, card={"settings": {**settings, "evaluation": to_dict(evaluation)}, "data": condensed.card["data"]})
    data = from_dict(DataSettings, settings["data"]).load()
    views = {"float32": condensed.images}
    if not isinstance(condensed.preprocessing, Zca):  # 8-bit images of a whitened set cannot be trained on
        views["8-bit"] = replace(condensed.images, images=eight_bit(condensed.images))
    package = {name: package_score(view, data, evaluation) for name, view in views.items()}
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        test = Path(temporary) / "test.npz"
        np.savez(test, pictures=eight_bit(data.test).numpy(), labels=data.test.labels.numpy())
        for target, view in FORMATS.items():
            if view not in views:
                continue
            print(f"{target} ...", file=sys.stderr, flush=True)
            row = plain_score(condensed.export(Path(temporary) / target, target), test, networks, width)
            row["same bits"] = row.pop("images") == digest(views[view].inputs())  # the inputs that `evaluate` trains on
            row |= {"view": view, "difference": round(row["mean"] - package[view]["mean"], 3), "noise": round(noise(package[view], row), 3)}
            rows[target] = row
    return {
        "data": data.name,
        "set": len(condensed.images),
        "test": len(data.test),
        "evaluation": to_dict(evaluation),
        "evaluate": package,
        "plain": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--networks", type=int, default=3, help="networks per export")
    parser.add_argument("--epochs", type=int, default=None, help="default: the epochs of the evaluation of the run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="result file")
    arguments = parser.parse_args()
    result = check(arguments.run, arguments.networks, arguments.epochs)
    write_json(arguments.out, {"command": " ".join(["python", *sys.argv]), "made_by": made_by(), **result})
    print("| export | holds | same bits | plain PyTorch | evaluate | difference | two standard errors |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for target, row in result["plain"].items():
        scores = [f"{score['mean']:.1f} ± {score['deviation']:.1f}" for score in (row, result["evaluate"][row["view"]])]
        bits = "yes" if row["same bits"] else "NO"
        print(f"| {target} | {row['view']} | {bits} | {scores[0]} | {scores[1]} | {row['difference']:+.1f} | {row['noise']:.1f} |")


if __name__ == "__main__":
    main()
