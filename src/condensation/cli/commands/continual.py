"""``condense continual``: what networks know of classes that came one after the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.cli.app import app
from condensation.cli.groups import grouped
from condensation.cli.options import (
    DataOption,
    DataOptions,
    MethodsPresetOption,
    OutputOptions,
    content_of,
    folder_and_settings,
    last_name,
    names,
)

METHODS = ("random", "herding", "dm")


@app.command()
@grouped
def continual(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER | NAME=VALUE]...",
            help="Curves to print again; or settings: dm.steps=500 of a method, evaluation.recipe=paper of networks, memory=shared.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="Data sets that come one after the other, in place of the classes of one.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", "-m", help="Names that `condense methods` lists.", show_default=",".join(METHODS))
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="In which the classes come.", show_default="5")] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", "-i", help="Images of each class in the memory.", show_default="20")] = None,
    orders: Annotated[int | None, typer.Option("--orders", min=1, help="Of the classes, each by its seed.", show_default="5")] = None,
    networks: Annotated[int | None, typer.Option("--networks", min=1, help="Trained anew after each step.", show_default="3")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Of each network.", show_default="1000")] = None,
    preset: MethodsPresetOption = None,
    reading: DataOptions = DataOptions(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder.", show_default="continual/DATA-STEPSsteps-ipcN")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the memories to be made and stop.")] = False,
    showing: OutputOptions = OutputOptions(),
) -> None:
    """Learn classes a few at a time from condensed memories, and test all that were seen. The same command goes on after a stop."""
    from condensation.cli.views import continual as continuing
    from condensation.config.build import from_dict
    from condensation.studies.continual.study import ContinualSettings

    paths, overrides = folder_and_settings(given)
    show = showing
    if paths:
        return continuing.report_continual(paths[0], show)
    options = {
        **reading.settings(data),
        "tasks": names(tasks),
        "steps": steps,
        "ipc": ipc,
        "orders": orders,
        "evaluation.networks": networks,
        "evaluation.recipe.epochs": epochs,
        "preset": preset,
    }
    content = content_of(reading.config, options, [])
    of_file = content.get("methods") or {}
    if not isinstance(of_file, Mapping):  # names alone, listed or between commas
        listed = names(of_file) if isinstance(of_file, str) else of_file
        of_file = {str(name): {"name": str(name)} for name in listed or ()}
    content["methods"] = {name: of_file.get(name, {"name": name}) for name in names(methods) or of_file or METHODS}
    settings = from_dict(ContinualSettings, _with(content, overrides))
    name = "-".join(last_name(one) for one in settings.tasks) or last_name(settings.source)
    out = out or Path("continual") / f"{name}-{settings.count}steps-ipc{settings.ipc}"
    return (continuing.list_continual if dry_run else continuing.make_continual)(settings, out, show)


def _with(content: dict[str, Any], overrides: Collection[str]) -> dict[str, Any]:
    """``content`` changed by overrides, of which those that begin with a method's name are settings of that method."""
    from condensation.config.toml import apply_override

    for override in overrides:
        of_method = override.partition(".")[0] in content["methods"]
        content = apply_override(content, f"methods.{override}" if of_method else override)
    return content
