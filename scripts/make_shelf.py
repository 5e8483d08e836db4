"""Make the condensed sets of the package: ``python scripts/make_shelf.py [IPC ...] [--preset best] [NAME=VALUE ...]``.

Each set is condensed from Fashion-MNIST in a run folder below ``--work``, rounded to 16 bits and evaluated as it is stored. Pixels of
synthetic images lie far outside the range of pictures, so 8 bits would clip most of them. Sets that the package has are skipped unless
``--replace`` is given; an interrupted script continues. Trailing settings, such as ``method.steps=1000`` or ``evaluation.networks=3``,
override those of the preset. The data set is looked up in the folder ``CONDENSATION_DATA``.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from measuring import COMMIT, ROOT, run_or_resume

from condensation import DATASETS, CondensedSet, EvaluationSettings, Recipe
from condensation.artifacts.set_file import SET
from condensation.artifacts.shelf import SHELF, SUFFIX
from condensation.core.plain import to_dict
from condensation.evaluation.compare import Entry, compare
from condensation.methods.loop import StepInfo
from condensation.runs.presets import settings_from
from condensation.runs.settings import RunSettings

DATA = "fashion-mnist"
IPCS = (1, 10, 50)
EVERY = 100  # steps between two printed lines


def settings_of(ipc: int, preset: str, epochs: int, overrides: Sequence[str]) -> RunSettings:
    """Return the settings of a run whose evaluation trains for ``epochs`` by the published recipe."""
    options = {"data.source": DATA, "ipc": ipc, "baseline": False, "evaluation.networks": 5}
    settings = settings_from(preset=preset, options=options, overrides=overrides)
    return replace(settings, evaluation=replace(settings.evaluation, recipe=Recipe.paper(epochs)))


def make(settings: RunSettings, folder: Path, out: Path) -> None:
    """Condense in ``folder``, evaluate the images as they are stored, and write them to ``out``."""

    def report(info: StepInfo) -> None:
        if info.step % EVERY == 0:
            print(f"{out.stem}: step {info.step} of {info.steps}", flush=True)

    run_or_resume(replace(settings, evaluation=EvaluationSettings(networks=0)), folder, report)
    condensed = CondensedSet.load(folder / SET)
    stored = condensed.images.images.half()
    images = replace(condensed.images, images=stored.float())
    scores = compare(
        [Entry(to_dict(settings.method)["name"], images)], settings.data.load(), settings.evaluation, 0, settings.compute, None
    )
    info, card = DATASETS[DATA], condensed.card
    terms = {"title": info.title, "licence": info.licence, "origin": info.origin}
    evaluated = {**card["settings"], "evaluation": to_dict(settings.evaluation)}
    card = {**card, "settings": evaluated, "data": {**card["data"], **terms}, "commit": COMMIT}
    replace(condensed, images=replace(images, images=stored), card=card).with_scores(scores.for_card().to_json()).save(out)
    print(f"{out.stem}: {scores.sets[next(iter(scores.sets))].text}, {out.stat().st_size:,} bytes", flush=True)


def main() -> None:
    """Make the sets that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arguments", nargs="*", metavar="IPC | NAME=VALUE", help="images per class (default: 1 10 50), and settings")
    parser.add_argument("--preset", default="best", help="preset of the runs (default: best)")
    parser.add_argument("--epochs", type=int, default=1000, help="training epochs of the evaluation (default: 1000)")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "shelf", help="folder of the runs (default: runs/shelf)")
    parser.add_argument("--replace", action="store_true", help="make sets again that the package has")
    options = parser.parse_intermixed_args()
    overrides = [argument for argument in options.arguments if "=" in argument]
    for ipc in [int(argument) for argument in options.arguments if "=" not in argument] or IPCS:
        name = f"{DATA}-{ipc}"
        out = SHELF / DATA / f"{name}{SUFFIX}"
        if out.exists() and not options.replace:
            print(f"{name}: already there")
            continue
        make(settings_of(ipc, options.preset, options.epochs, overrides), options.work / name, out)


if __name__ == "__main__":
    main()
