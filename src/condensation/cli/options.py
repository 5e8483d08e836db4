"""The options that several subcommands share, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="Any setting by its name: method.lr=0.5 evaluation.networks=5", show_default=False),
]
DataOverrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=VALUE]...", help="Settings of the data: data.columns=img,label data.preprocessing=none", show_default=False
    ),
]
DataOption = Annotated[str | None, typer.Option("--data", "-d", help="A name that `condense data` lists, or a path.", show_default=False)]
RunDataOption = Annotated[
    str | None, typer.Option("--data", "-d", help="A name that `condense data` lists, or a path.", show_default="fashion-mini")
]
FolderOption = Annotated[
    str | None, typer.Option("--folder", help="Where data sets lie; else the variable CONDENSATION_DATA says.", show_default=False)
]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="One that `condense networks` lists, or your own: module:name, file.py:name.", show_default="convnet"),
]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", metavar="N|HxW", help="Pixels of both sides, or height x width.", show_default="as they are, if alike"),
]
FitOption = Annotated[
    str | None,
    typer.Option("--fit", help="crop: the centre of an image of another shape; pad: all of it, between black bars.", show_default="crop"),
]
SkipBadOption = Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read, and list them.")]
SmallerOption = Annotated[
    str | None,
    typer.Option("--smaller", help="A class with too few images is an: error; all: takes all that it has.", show_default="error"),
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


def data_options(source: str | None, folder: str | None, size: str | None, fit: str | None, skip_bad: bool) -> dict[str, str | bool | None]:
    """The options that say which images, and how they are read, by the names of the settings."""
    return {"data.source": source, "data.folder": folder, "data.size": size, "data.fit": fit, "data.skip_bad": skip_bad or None}


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
