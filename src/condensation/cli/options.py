"""The options that several subcommands share, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="Any setting by its name: method.lr=0.5 evaluation.networks=5", show_default=False),
]
DataOption = Annotated[str | None, typer.Option("--data", "-d", help="A name that `condense data` lists, or a path.", show_default=False)]
FolderOption = Annotated[
    str | None, typer.Option("--folder", help="Where data sets lie; else the variable CONDENSATION_DATA says.", show_default=False)
]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="One that `condense networks` lists, or your own: module:name, file.py:name.", show_default="convnet"),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings in TOML or JSON, such as settings.json of a run; options win.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Decides every random number.", show_default="0")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.", show_default="auto")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print all settings as TOML and stop.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
CheckpointOption = Annotated[
    float | None,
    typer.Option("--checkpoint-every", metavar="SECONDS", help="How often the state is kept; 0: each step.", show_default="20"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def content_of(config: Path | None, options: dict[str, Any], overrides: list[str] | None) -> dict[str, Any]:
    """What the file says, changed by the options, changed by the overrides."""
    from condensation.settings import merge, put, read

    content = read(config) if config else {}
    for name, value in options.items():
        if value is not None:
            content = put(content, name, value)
    for override in overrides or []:
        content = merge(content, override)
    return content


def print_settings(settings: object) -> None:
    """Print ``settings`` as TOML, from which they can be read again."""
    from condensation.settings import plain, to_toml

    typer.echo(to_toml(plain(settings)), nl=False)
