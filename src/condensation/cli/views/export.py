"""What ``condense export``, ``condense import`` and ``condense sample`` do and print."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.card import VIEWS
from condensation.artifacts.export.export import EXPORTS, check
from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import TrainedGenerator
from condensation.cli.views.run import INTERRUPTED
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.storage import new_folder, require_free, write
from condensation.core.text import counted
from condensation.evaluation.gan_test import recognised, recogniser
from condensation.methods.loop import Stopped
from condensation.report.files import encoded
from condensation.report.grid import grid
from condensation.report.progress import StopOnSignal, reporter
from condensation.report.tables import print_json, print_scores
from condensation.runs.evaluate_saved import EvaluateSettings, data_of, evaluate_settings, judge_views, own_evaluation
from condensation.runs.run import GRID

RECOGNISED = "recognised"  # where the card of a drawn set keeps for what its images are taken


def export(path: Path, to: str, out: Path | None, content: dict[str, Any] | None, *, quiet: bool, as_json: bool) -> None:
    """``condense export``; ``content`` holds settings of judging, None for no judging."""
    condensed = CondensedSet.load(path)
    out = out or _beside(path, to)
    check(condensed.images, out, to)
    if content is not None:
        if not EXPORTS[to].pictures:
            raise CondensationError(f"{to} keeps every bit, so it is worth what the set is.\n--judge is for png, parquet and hub.")
        condensed = _judged(condensed, content, quiet=quiet or as_json)
    condensed.export(out, to)
    if as_json:
        return print_json({"folder": str(out), "to": to, VIEWS: condensed.card.get(VIEWS)})
    if quiet:
        return None
    screen = Console(soft_wrap=True)
    if content is not None:
        print_scores(screen, condensed.card[VIEWS])
    screen.print(f"{to}: {out}", markup=False, highlight=False)
    screen.print(f"Card: {out / 'README.md'} says how to train on it.", markup=False, highlight=False)
    if to == "hub":
        screen.print(
            f"To put it on the hub: hf upload OWNER/NAME {shlex.quote(str(out))} --repo-type dataset", markup=False, highlight=False
        )
    return None


def import_official(path: Path, data: str, which: int, out: Path | None, *, as_json: bool) -> None:
    """``condense import``."""
    condensed = CondensedSet.from_official(path, data=data, which=which)
    out = out or path.with_suffix(".safetensors")
    if out.exists():
        raise CondensationError(f"{out} exists; nothing is overwritten.\nChoose another with --out.")
    condensed.save(out)
    images, official = condensed.images, condensed.card["official"]
    if as_json:
        return print_json({"set": str(out), **condensed.card})
    screen = Console(soft_wrap=True)
    screen.print(
        f"{len(images)} images of {'x'.join(map(str, images.shape))}, {len(images.classes)} classes; "
        f"set {which} of {official['sets']} in {path.name}, normalised by the constants published for {data}.",
        markup=False,
        highlight=False,
    )
    if condensed.card.get("scores"):
        print_scores(screen, condensed.card["scores"])
    screen.print(f"Set: {out}", markup=False, highlight=False)
    return None


def sample(path: Path, ipc: int, seed: int, device: str, out: Path | None, check: int, *, as_json: bool) -> None:
    """``condense sample``; ``check``: epochs of the network that is to recognise the images, 0 for none."""
    generator = TrainedGenerator.load(path)
    out = out or _beside(path, f"sample-ipc{ipc}-seed{seed}")
    require_free(out)
    compute = Compute(device).resolve()
    condensed = generator.sample(ipc, seed, compute)
    if check:
        condensed = _recognised(condensed, check, compute, quiet=as_json)
    name = str(to_dict(generator.method)["name"])
    with new_folder(out) as folder:
        condensed.save(folder / SET)
        write(folder / GRID, encoded(grid(condensed.images, title=f"drawn from {name}, seed {seed}"), folder / GRID))
    if as_json:
        return print_json({"folder": str(out), **condensed.card})
    screen = Console(soft_wrap=True)
    images = condensed.images
    screen.print(
        f"{len(images)} images of {len(images.classes)} classes, drawn from the generator of {name}, seed {seed}.", highlight=False
    )
    found = condensed.card.get(RECOGNISED)
    if found:
        screen.print(
            f"{found['images']:.1f} % of them are taken for what they are by a network that gets {found['test']:.1f} % of the test images "
            f"right after {counted(found['epochs'], 'epoch')} on the training images.",
            highlight=False,
        )
    screen.print(f"Set: {out}\nJudge it: condense evaluate {shlex.quote(str(out))}", markup=False, highlight=False)
    return None


def _beside(path: Path, to: str) -> Path:
    """Where something goes if nothing is said: beside what it is made from, under its name."""
    parent = path.parent if path.name not in ("", "..") else path / ".."
    return parent / f"{path.resolve().name.removesuffix('.safetensors')}-{to}"


def _recognised(condensed: CondensedSet, epochs: int, compute: Compute, *, quiet: bool) -> CondensedSet:
    errors = Console(stderr=True, soft_wrap=True)
    with StopOnSignal() as stop, reporter(errors, quiet) as shown:
        try:
            data = data_of(condensed, None).load(stop.after(shown.reading))
            by = recogniser(data, condensed.images, epochs=epochs, compute=compute, on_progress=stop.after(shown.judging))
            found = {**recognised(condensed.images, data, by, compute), "epochs": epochs}
        except Stopped:
            errors.print("Stopped; nothing was written.")
            raise SystemExit(INTERRUPTED) from None
    return replace(condensed, card={**condensed.card, RECOGNISED: found})


def _judged(condensed: CondensedSet, content: dict[str, Any], *, quiet: bool) -> CondensedSet:
    settings = evaluate_settings(content, [condensed], EvaluateSettings(evaluation=own_evaluation(condensed)))
    settings = replace(settings, compute=settings.compute.resolve())
    errors = Console(stderr=True, soft_wrap=True)
    with StopOnSignal() as stop, reporter(errors, quiet) as shown:
        try:
            return judge_views(condensed, settings, stop.after(shown.judging))
        except Stopped:
            errors.print("Stopped; nothing was written.")
            raise SystemExit(INTERRUPTED) from None
