"""Printed form of ``condense sample``."""

import shlex
from dataclasses import replace
from pathlib import Path

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import TrainedGenerator
from condensation.cli.views.export import path_beside
from condensation.cli.views.plan import print_times
from condensation.core.compute import Compute
from condensation.core.plain import to_dict
from condensation.core.storage import new_folder, require_free
from condensation.core.text import counted
from condensation.evaluation.gan_test import CLASSIFIER, gan_test
from condensation.report.grid import grid, save_picture
from condensation.report.stopping import stoppable
from condensation.report.tables import plain_console, print_json
from condensation.runs.estimate import Training, training_seconds
from condensation.runs.evaluate_saved import data_of
from condensation.runs.files import GRID
from condensation.training.train import Recipe

GAN_TEST = "recognised"  # key of the GAN test on the card of a sampled set


def sample(path: Path, ipc: int, seed: int, device: str, out: Path | None, check: int, *, trust: bool, as_json: bool) -> None:
    """Run ``condense sample``; ``check`` is the number of epochs of the classifier of the GAN test, 0 for no test."""
    generator = TrainedGenerator.load(path, trust=trust)
    out = out or path_beside(path, f"sample-ipc{ipc}-seed{seed}")
    require_free(out)
    compute = Compute(device)
    condensed = generator.sample(ipc, seed, compute)
    if check:
        condensed = _with_gan_test(condensed, check, compute, quiet=as_json)
    name = str(to_dict(generator.method)["name"])
    with new_folder(out) as folder:
        condensed.save(folder / SET)
        save_picture(folder / GRID, grid(condensed.images, title=f"drawn from {name}, seed {seed}"))
    if as_json:
        return print_json({"folder": str(out), **condensed.card})
    screen, images = plain_console(), condensed.images
    screen.print(f"{len(images)} images of {len(images.classes)} classes, drawn from the generator of {name}, seed {seed}.")
    if result := condensed.card.get(GAN_TEST):
        screen.print(
            f"GAN test: a classifier trained on the real images for {counted(result['epochs'], 'epoch')} recognizes "
            f"{result['images']:.1f} % of them, and {result['test']:.1f} % of the test images."
        )
    return screen.print(f"Set: {out}\nEvaluate it: condense evaluate {shlex.quote(str(out))}")


def plan(path: Path, ipc: int, device: str, check: int, *, trust: bool, as_json: bool) -> None:
    """Run ``condense sample --dry-run``; only the classifier of the GAN test takes long."""
    generator = TrainedGenerator.load(path, trust=trust)
    one = generator.sample(1, 0, Compute(device))
    texts = [f"drawing {counted(ipc * len(one.images.classes), 'image')}"]
    times: list[float | None] = [0.0]
    if check:
        data = data_of(one, None).load()
        training = Training(f"training a classifier for {counted(check, 'epoch')}", 1, CLASSIFIER, Recipe(epochs=check), len(data.train))
        texts.append(training.text)
        times.append(training_seconds(training, data, Compute(device).resolve()))
    return print_times(texts, times, as_json)


def _with_gan_test(condensed: CondensedSet, epochs: int, compute: Compute, *, quiet: bool) -> CondensedSet:
    with stoppable(quiet=quiet, message=lambda stopped: "Stopped; nothing was written.") as shown:
        data = data_of(condensed, None).load(shown.reading)
        result = gan_test(condensed.images, data, epochs=epochs, compute=compute, on_progress=shown.evaluating)
    return replace(condensed, card={**condensed.card, GAN_TEST: {**result, "epochs": epochs}})
