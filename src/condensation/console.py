"""What the command line prints: tables, progress, what to type next."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from condensation.artifact import CondensedSet
from condensation.condensing import Stopped
from condensation.data import available
from condensation.errors import CondensationError
from condensation.images import ImageSet
from condensation.judging import DataSettings, JudgeSettings, judge_saved
from condensation.methods import METHODS
from condensation.networks import NETWORKS
from condensation.report.grid import grid
from condensation.report.progress import StopOnSignal, reporter
from condensation.rng import Rng
from condensation.runs import GRID, RunSettings, claim, describe
from condensation.runs import run as run_settings
from condensation.settings import build, plain

Progress = Callable[[int, int], None]


def run(settings: RunSettings, out: Path, *, resume: bool, quiet: bool, as_json: bool) -> None:
    """``condense run``."""
    screen, errors = Console(soft_wrap=True), Console(stderr=True)
    talk = not quiet and not as_json
    settings = replace(settings, compute=settings.compute.chosen())
    claim(out, settings, resume)
    if talk:
        screen.print(f"[bold]{settings.data.source}[/]: {describe(settings)}, seed {settings.seed}")
        screen.print(f"on {settings.compute.describe()}", highlight=False)
    started = time.perf_counter()
    with StopOnSignal() as stop, reporter(errors, quiet or as_json) as shown:

        def judging(done: int, total: int) -> None:
            shown.judging(done, total)
            stop.check()

        try:
            result = run_settings(settings, out, resume=resume, observers=[shown.condensing, stop.check], on_progress=judging)
        except Stopped as stopped:
            raise SystemExit(_say_stopped(errors, out, stopped)) from None
    if as_json:
        return _json({"folder": str(out), **result.scores})
    if not talk:
        return None
    screen.print(f"\nDone in {_duration(time.perf_counter() - started)}.")
    if result.scores:
        _scores(screen, result.scores)
    screen.print(f"Picture: {out / GRID}")
    screen.print(f"Set:     {out / 'set.safetensors'}")
    screen.print("\nNext:", style="bold")
    _commands(
        screen,
        (f"show {out}", "the picture again, and how it was made"),
        (f"evaluate {out} evaluation.network=mlp", "train another network on it"),
        (f"run --data PATH --ipc {_count(settings)}", "your own images: a folder with one sub-folder a class"),
    )


def judge(settings: JudgeSettings, paths: Sequence[Path], *, quiet: bool, as_json: bool) -> None:
    """``condense evaluate``."""
    errors = Console(stderr=True)
    settings = replace(settings, compute=settings.compute.chosen())
    with StopOnSignal() as stop, reporter(errors, quiet or as_json) as shown:

        def judging(done: int, total: int) -> None:
            shown.judging(done, total)
            stop.check()

        try:
            scores = judge_saved(settings, paths, judging)
        except Stopped:
            errors.print("Stopped; no accuracy was kept.")
            raise SystemExit(130) from None
    if as_json:
        return _json(scores)
    return _scores(Console(soft_wrap=True), scores)


def show(path: Path, out: Path | None, rows: int | None, folder: str | None, *, as_json: bool) -> None:
    """``condense show``."""
    condensed = CondensedSet.load(path)
    out = out or (path / GRID if path.is_dir() else path.with_suffix(".png"))
    settings = condensed.card.get("settings", {})
    real, why = _real_images(settings, folder)
    title = condensed.card.get("data", {}).get("name", path.name)
    if settings:
        title = f"{title}, {describe(build(RunSettings, settings))}"
    try:
        grid(condensed.images, real, title=title, rows=rows).save(out)
    except (OSError, ValueError) as error:
        raise CondensationError(
            f"Could not write the picture {out}: {error}.\nChoose another file with --out, for example grid.png."
        ) from None
    if as_json:
        return _json({"picture": str(out), **condensed.card})
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{title}[/]")
    counts = sorted(set(condensed.images.counts.values()))
    screen.print(
        f"{len(condensed.images)} images of {'x'.join(map(str, condensed.images.shape))}, {len(condensed.images.classes)} classes, "
        f"{' to '.join(map(str, counts[:: max(1, len(counts) - 1)]))} a class; preprocessing: {condensed.card['preprocessing']}",
        highlight=False,
    )
    if condensed.card.get("scores"):
        _scores(screen, condensed.card["scores"])
    if why:
        screen.print(f"Real images are left out: {why}", highlight=False)
    screen.print(f"Picture: {out}")
    return None


def methods(*, as_json: bool) -> None:
    """``condense methods``."""
    rows = {name: plain(method()) for name, method in METHODS.items()}
    if as_json:
        return _json(rows)
    table = _table("method", "what it is", "settings and defaults")
    for name, method in METHODS.items():
        settings = ", ".join(f"{field.name}={_short(getattr(method(), field.name))}" for field in fields(method)) or "none"
        table.add_row(name, (method.__doc__ or "").splitlines()[0], settings)
    return Console().print(table)


def networks(shape: str, classes: int, *, as_json: bool) -> None:
    """``condense networks``."""
    try:
        channels, height, width = (int(side) for side in shape.lower().split("x"))
    except ValueError:
        raise CondensationError(f"--shape is {shape!r}; write channels, height and width like 3x32x32.") from None
    rows: dict[str, dict[str, Any]] = {}
    for name, spec in NETWORKS.items():
        try:
            network = spec.build((channels, height, width), classes, Rng(0))
            rows[name] = {"parameters": sum(p.numel() for p in network.parameters()), "embedding": network.classifier.in_features}
        except CondensationError as error:
            rows[name] = {"unfit": str(error).splitlines()[0]}
        rows[name]["settings"] = {key: value for key, value in plain(spec).items() if key != "name"}
    if as_json:
        return _json(rows)
    table = _table("network", "parameters", "embedding", "settings", right=("parameters", "embedding"))
    for name, row in rows.items():
        settings = ", ".join(f"{key}={_short(value)}" for key, value in row["settings"].items())
        if "unfit" in row:
            table.add_row(name, "-", "-", row["unfit"])
        else:
            table.add_row(name, f"{row['parameters']:,}", f"{row['embedding']:,}", settings)
    screen = Console()
    screen.print(f"For images of {shape} and {classes} classes:")
    return screen.print(table)


def data(folder: str | None, *, as_json: bool) -> None:
    """``condense data``."""
    found = available(folder)
    if as_json:
        return _json([plain(row) for row in found])
    table = _table("data set", "what", "classes", "image", "terms", "here")
    for row in found:
        if row.info is None:
            table.add_row(row.name, "", "", "", "", row.where or "no")
            continue
        about = row.info
        table.add_row(row.name, about.title, str(about.classes), "x".join(map(str, about.shape)), about.licence, row.where or "no")
    screen = Console()
    screen.print(table)
    return screen.print(
        "Others: a folder with one sub-folder a class, or NAME/{train,test}.npz below --folder or CONDENSATION_DATA.", highlight=False
    )


def _real_images(settings: dict[str, Any], folder: str | None) -> tuple[ImageSet | None, str]:
    """Training images to show beside a set, or why there are none."""
    try:
        source = build(DataSettings, settings.get("data", {"source": "?"}))
        return replace(source, folder=folder or source.folder).load().train, ""
    except CondensationError as error:
        return None, str(error).splitlines()[0]


def _scores(screen: Console, scores: dict[str, Any]) -> None:
    how = scores["evaluation"]
    table = _table("trained on", "images", "test accuracy, %", right=("images",))
    for name, score in scores["sets"].items():
        table.add_row(name, f"{score['images']:,}", f"{score['mean']:.1f} ± {score['deviation']:.1f}")
    screen.print(table)
    recipe, network = how["recipe"], how["network"]["name"]
    screen.print(
        f"Mean and deviation over {how['networks']} {network}{'' if how['networks'] == 1 else 's'} of {recipe['epochs']:,} epochs each, "
        f"on {scores['test']['images']:,} test images.",
        highlight=False,
    )


def _say_stopped(errors: Console, out: Path, stopped: Stopped) -> int:
    where = "All images are kept; judging was broken off." if stopped.step is None else f"The state after step {stopped.step:,} is kept."
    errors.print(f"\nStopped. {where}\nGo on with the same command and --resume (the folder is {out}).", highlight=False)
    return 130


def _commands(screen: Console, *commands: tuple[str, str]) -> None:
    program = _program()
    for command, why in commands:
        screen.print(f"  [dim]# {why}[/]\n  {program} {command}", highlight=False)


def _program() -> str:
    """The command as it can be typed here: by its path where the shell does not find it, as without an active environment."""
    called = Path(sys.argv[0])
    found = called.name != "condense" or not called.exists() or shutil.which("condense")
    return "condense" if found else os.path.relpath(called)


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _short(value: Any) -> str:
    content = plain(value)
    return str(content["name"]) if isinstance(content, dict) and "name" in content else str(content)


def _count(settings: RunSettings) -> int:
    return settings.ipc if isinstance(settings.ipc, int) else 10


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))
