"""``condense run`` and ``condense evaluate``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condensation.cli.app import app
from condensation.cli.options import (
    CheckpointOption,
    ConfigOption,
    DataOption,
    DeviceOption,
    FitOption,
    FolderOption,
    JsonOption,
    NetworkOption,
    Overrides,
    PrintConfig,
    QuietOption,
    RunDataOption,
    SeedOption,
    SizeOption,
    SkipBadOption,
    SmallerOfSetOption,
    SmallerOption,
    content_of,
    data_options,
    last_name,
    print_settings,
)

if TYPE_CHECKING:
    from condensation.runs.run import RunSettings


@app.command()
def run(
    overrides: Overrides = None,
    data: RunDataOption = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="One that `condense methods` lists.", show_default="dm")] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", "-i", help="Synthetic images per class.", show_default="10")] = None,
    network: NetworkOption = None,
    preset: Annotated[str, typer.Option("--preset", help="fast: minutes; long, best: an hour; paper: as published.")] = "fast",
    folder: FolderOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    skip_bad: SkipBadOption = False,
    small_classes: SmallerOption = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder.", show_default="runs/DATA-METHOD-ipcN-seedN")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    checkpoint_every: CheckpointOption = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Show the run in TensorBoard, from the run folder.")] = False,
    print_config: PrintConfig = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Condense a data set, judge the result beside random real images, and keep all in a run folder."""
    from condensation.cli.views import run as running
    from condensation.config.build import from_dict
    from condensation.runs.presets import preset_for
    from condensation.runs.run import RunSettings

    options = {
        **data_options(data, folder, size, fit, skip_bad),
        "method": method,
        "ipc": ipc,
        "small_classes": small_classes,
        "seed": seed,
        "compute.device": device,
    }
    content = content_of(config, {**options, **_both_networks(network, preset, content_of(config, options, overrides))}, overrides)
    settings = from_dict(RunSettings, content, preset_for(preset, content))
    if print_config:
        return print_settings(settings)
    out = out or _default_folder(settings)
    show = running.Show(tensorboard=tensorboard, quiet=quiet, as_json=as_json)
    running.run(settings, out, show, resume=resume, checkpoint_every=checkpoint_every)


@app.command()
def evaluate(
    sets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SET | NAME=VALUE]...", help="Run folders or set files, and settings.", show_default=False),
    ] = None,
    data: DataOption = None,
    network: NetworkOption = None,
    random: Annotated[int, typer.Option("--random", help="Judge this many random real images a class as well.", min=0)] = 0,
    whole: Annotated[bool, typer.Option("--whole", help="Judge the whole training set as well.")] = False,
    folder: FolderOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    skip_bad: SkipBadOption = False,
    small_classes: SmallerOfSetOption = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    print_config: PrintConfig = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the accuracies alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train networks on condensed sets, random real images or the whole data, and test them."""
    from condensation.artifacts.condensed_set import CondensedSet
    from condensation.cli.views import run as running
    from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_settings
    from condensation.runs.run import RunSettings

    paths = [one for one in sets or [] if "=" not in one or Path(one).exists()]
    overrides = [one for one in sets or [] if one not in paths]
    options = {
        **data_options(data, folder, size, fit, skip_bad),
        "random": random or None,
        "small_classes": small_classes,
        "whole": whole or None,
        "evaluation.network": network,
        "seed": seed,
    }
    # Of a run's settings, judging takes its part.
    others = {field.name for field in fields(RunSettings)} - {field.name for field in fields(EvaluateSettings)}
    content = content_of(config, {**options, "compute.device": device}, overrides, passed_over=others)
    # What is not said of the data, the sets say.
    saved = [CondensedSet.load(Path(path)) for path in paths] if "data" in content else []
    settings = evaluate_settings(content, saved)
    if print_config:
        return print_settings(settings)
    running.judge(settings, [Path(path) for path in paths], quiet=quiet, as_json=as_json)


def _both_networks(network: str | None, preset: str, content: dict[str, Any]) -> dict[str, Any]:
    """The settings that ``--network`` stands for: the network that judges, and the one to learn on where the method has one."""
    from condensation.config.build import from_dict
    from condensation.runs.presets import preset_for
    from condensation.runs.run import RunSettings

    if network is None:
        return {}
    chosen = content.get("method")
    name = chosen.get("name") if isinstance(chosen, dict) else chosen
    method = from_dict(RunSettings, {"method": name} if name else {}, preset_for(preset, content)).method
    return {"evaluation.network": network, **{f"method.{setting}": network for setting in method.network_settings}}


def _default_folder(settings: RunSettings) -> Path:
    from condensation.core.plain import to_dict
    from condensation.core.user_code import short_name

    count = settings.ipc if isinstance(settings.ipc, int) else "mixed"
    return Path("runs") / f"{last_name(settings.data.source)}-{short_name(to_dict(settings.method)['name'])}-ipc{count}-seed{settings.seed}"
