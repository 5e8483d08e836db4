"""What the commands that work print: how far they are, tables, what to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.set_file import SET
from condensation.artifacts.trained_generator import GENERATOR
from condensation.config.build import from_dict
from condensation.core.checkpoint import EVERY_SECONDS
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.plain import to_dict
from condensation.core.storage import write
from condensation.core.user_code import short_name
from condensation.data.catalogue import known_name
from condensation.data.settings import DataSettings
from condensation.methods.loop import Stopped
from condensation.methods.registry import METHODS
from condensation.report.files import encoded
from condensation.report.grid import grid
from condensation.report.progress import Heading, StopOnSignal, reporter
from condensation.report.tables import print_json, print_scores, said_of_data
from condensation.report.tensorboard import TensorBoard
from condensation.runs.advice import below_random, what_to_try
from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_saved
from condensation.runs.run import GRID, SETTINGS, RunResult, RunSettings, claim, describe, in_words, is_finished
from condensation.runs.run import run as run_settings

SHOWN = "show.png"
INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended


@dataclass(frozen=True)
class Show:
    """How a run is shown while it goes on and when it is done."""

    tensorboard: bool = False
    quiet: bool = False
    as_json: bool = False


def run(settings: RunSettings, out: Path, how: Show, *, resume: bool, checkpoint_every: float | None) -> None:
    """``condense run``."""
    screen, errors = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    talk = not how.quiet and not how.as_json
    settings = replace(settings, compute=settings.compute.resolve())
    claim(out, settings, resume)
    finished = is_finished(out, settings)
    on = "This run is finished; nothing is done again." if finished else f"on {escape(settings.compute.describe())}"
    begin = Heading(screen if talk else None, [f"[bold]{escape(settings.data.source)}[/]: {describe(settings)}, seed {settings.seed}", on])
    if finished:
        begin()
    board = [TensorBoard(out / "tensorboard")] if how.tensorboard else []
    started = time.perf_counter()
    with StopOnSignal() as stop, reporter(errors, not talk) as shown:
        try:
            result = run_settings(
                settings,
                out,
                resume=resume,
                observers=[begin, shown.condensing, *board, stop.check],
                on_progress=begin.before(stop.after(shown.judging)),
                on_reading=begin.before(stop.after(shown.reading)),
                checkpoint_every=EVERY_SECONDS if checkpoint_every is None else checkpoint_every,
            )
        except Stopped as stopped:
            raise SystemExit(_say_stopped(errors, out, stopped)) from None
    if how.as_json:
        return print_json({"folder": str(out), **(result.scores.to_json() if result.scores else {})})
    if talk:
        if not finished:
            screen.print(f"\nDone in {_duration(time.perf_counter() - started)}.")
        _say_result(screen, settings, result, read=not finished)
    return None


def judge(settings: EvaluateSettings, paths: Sequence[Path], *, quiet: bool, as_json: bool) -> None:
    """``condense evaluate``."""
    errors = Console(stderr=True, soft_wrap=True)
    settings = replace(settings, compute=settings.compute.resolve())
    with StopOnSignal() as stop, reporter(errors, quiet or as_json) as shown:
        try:
            scores = evaluate_saved(settings, paths, stop.after(shown.judging), stop.after(shown.reading))
        except Stopped:
            errors.print("Stopped; no accuracy was kept.")
            raise SystemExit(INTERRUPTED) from None
    if as_json:
        return print_json(scores.to_json())
    return print_scores(Console(soft_wrap=True), scores.to_json())


def show(paths: Sequence[Path], out: Path | None, rows: int | None, folder: str | None, *, as_json: bool) -> None:
    """``condense show``."""
    path = paths[0]
    sets = {_label(one, paths): CondensedSet.load(one) for one in paths}
    condensed = sets[_label(path, paths)]
    real, why = _real_images(condensed, folder)
    if out is None:
        # The picture of a run is replaced only by one that shows as much.
        beside = path / (GRID if real is not None and rows is None and len(sets) == 1 else SHOWN)
        out = beside if path.is_dir() else path.with_suffix(".png")
    titles = [_title(one, label) for label, one in sets.items()]
    images = condensed.images if len(sets) == 1 else {label: one.images for label, one in sets.items()}
    title = titles[0] if len(sets) == 1 else "\n".join(f"{label}: {title}" for label, title in zip(sets, titles, strict=True))
    write(out, encoded(grid(images, real, title=title, rows=rows), out))
    if as_json:
        cards = condensed.card if len(sets) == 1 else {"sets": {label: one.card for label, one in sets.items()}}
        return print_json({"picture": str(out), **cards})
    screen = Console(soft_wrap=True)
    for (label, one), title in zip(sets.items(), titles, strict=True):
        _print_card(screen, one, title if len(sets) == 1 else f"{label}: {title}")
    if why:
        screen.print(f"Real images are left out: {why}", highlight=False, markup=False)
    screen.print(f"Picture: {out}", markup=False)
    return None


def _print_card(screen: Console, condensed: CondensedSet, title: str) -> None:
    screen.print(f"[bold]{escape(title)}[/]")
    counts = sorted(set(condensed.images.counts.values()))
    screen.print(
        f"{len(condensed.images)} images of {'x'.join(map(str, condensed.images.shape))}, {len(condensed.images.classes)} classes, "
        f"{' to '.join(map(str, counts[:: max(1, len(counts) - 1)]))} a class; preprocessing: {condensed.card['preprocessing']}",
        highlight=False,
    )
    if condensed.card.get("scores"):
        print_scores(screen, condensed.card["scores"])


def _label(path: Path, paths: Sequence[Path]) -> str:
    """What a set is called beside others: the name of its file or run folder, or all of its path where that is another's too."""
    names = [(one.parent if one.name == SET else one).resolve().name.removesuffix(".safetensors") for one in paths]
    name = names[list(paths).index(path)]
    return name if names.count(name) == 1 else str(path)


def _title(condensed: CondensedSet, otherwise: str) -> str:
    """From what the card says alone: settings are not made of it, since they may name code of a person's own, which would run."""
    title = str(condensed.card.get("data", {}).get("name", otherwise))
    try:
        settings = condensed.card["settings"]
        name, steps = str(settings["method"]["name"]), settings["method"].get("steps", 0)
        method = METHODS[name].__name__ if name in METHODS else short_name(name)
        return f"{title}, {in_words(method, condensed.images.counts.values(), int(steps))}"
    except (AttributeError, KeyError, TypeError, ValueError):  # made in Python without settings, or by another version
        return title


def _real_images(condensed: CondensedSet, folder: str | None) -> tuple[ImageSet | None, str]:
    """Training images to show beside a set, or why there are none."""
    content = condensed.card.get("settings", {}).get("data")
    if content is None:
        return None, "the set does not say which data it was made from."
    try:
        source = from_dict(DataSettings, content)
        real = replace(source, folder=folder or source.folder).load().train
    except CondensationError as error:
        return None, str(error).splitlines()[0]
    if real.fingerprint() != condensed.card.get("data", {}).get("fingerprint", real.fingerprint()):
        return None, f"{source.source} is no longer the data that the set was made from."
    return real, ""


def _say_result(screen: Console, settings: RunSettings, result: RunResult, *, read: bool) -> None:
    out = result.folder
    if result.scores:
        print_scores(screen, result.scores.to_json())
    worse = below_random(result.scores, to_dict(settings.method)["name"])
    if worse:
        screen.print(
            f"\nThis set is worth less than random images ({worse[0]:.1f} against {worse[1]:.1f}). To try, one by one:", style="bold"
        )
        for line in what_to_try(settings.method):
            screen.print(f"  {line}", highlight=False, markup=False)
    for line in said_of_data(result.condensed.card.get("data", {}), read=read):
        screen.print(line, highlight=False, markup=False)
    screen.print(f"Picture: {out / GRID}", markup=False)
    screen.print(f"Set:     {out / SET}", markup=False)
    screen.print("\nNext:", style="bold")
    folder = shlex.quote(str(out))
    program = shlex.quote(_program())
    for command, why in (
        (f"show {folder}", "the picture again, and how it was made"),
        *([(f"teach {folder}", "networks taught by it alone, by its own schedule")] if "schedule" in result.condensed.card else []),
        *([(f"sample {folder} --ipc 50", "more images from the generator")] if (out / GENERATOR).exists() else []),
        (f"evaluate {folder} evaluation.network=mlp", "train another network on it"),
        _next_data(settings, result.condensed.images, folder),
    ):
        screen.print(f"  [dim]# {why}[/]\n  {escape(f'{program} {command}')}", highlight=False)


def _next_data(settings: RunSettings, images: ImageSet, folder: str) -> tuple[str, str]:
    """After a data set that is known by name, a person's own; after those, what becomes of them."""
    if known_name(settings.data.source):
        return f"run --data PATH --ipc {_count(settings)}", "your own images: a folder with one sub-folder a class"
    if images.soft_labels:
        return f"export {folder} --to npz", "as arrays, with the lines that train on them in plain PyTorch"
    return f"export {folder} --to png", "as pictures, with the lines that train on them in plain PyTorch"


def _program() -> str:
    """The command as it can be typed here: by its path where the shell does not find it, as without an active environment."""
    short_name = Path(sys.argv[0])
    found = short_name.name != "condense" or not short_name.exists() or shutil.which("condense")
    return "condense" if found else os.path.relpath(short_name)


def _say_stopped(errors: Console, out: Path, stopped: Stopped) -> int:
    if not (out / SETTINGS).exists():
        errors.print("\nStopped while images were read; nothing was condensed yet. Give the same command again.", highlight=False)
        return INTERRUPTED
    where = "All images are kept; judging was broken off." if stopped.step is None else f"The state after step {stopped.step:,} is kept."
    errors.print(f"\nStopped. {where}\nGo on with the same command and --resume (the folder is {out}).", highlight=False, markup=False)
    return INTERRUPTED


def _count(settings: RunSettings) -> int:
    return settings.ipc if isinstance(settings.ipc, int) else 10


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


__all__ = ["judge", "run", "show"]
