"""The options that several subcommands share, and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condensation.core.errors import CondensationError

if TYPE_CHECKING:
    from condensation.cli.views.study import Show

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
_TOO_FEW = "A class with too few images is an: error; all: takes all that it has."
SmallerOption = Annotated[str | None, typer.Option("--small-classes", help=_TOO_FEW, show_default="error")]
SmallerOfSetOption = Annotated[
    str | None, typer.Option("--small-classes", help=_TOO_FEW, show_default="as when the set was made, else error")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings in TOML or JSON, such as settings.json of a run; options win.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Decides every random number.", show_default="0")]
_PRESETS = "settings: fast, long, best, paper."
MethodPresetOption = Annotated[str | None, typer.Option("--preset", help=f"Of the method's {_PRESETS}", show_default="fast")]
MethodsPresetOption = Annotated[str | None, typer.Option("--preset", help=f"Of the methods' {_PRESETS}", show_default="fast")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.", show_default="auto")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print all settings as TOML and stop.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
NoProgressOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show the result alone: no progress, no places of files.")]
CheckpointOption = Annotated[
    float | None,
    typer.Option("--checkpoint-every", metavar="SECONDS", help="How often the state is kept; 0: each step.", show_default="20"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True)
class DataOptions:
    """How a study reads images and settings, and where it computes; see `condensation.cli.groups`."""

    folder: FolderOption = None
    size: SizeOption = None
    fit: FitOption = None
    skip_bad: SkipBadOption = False
    small_classes: SmallerOption = None
    config: ConfigOption = None
    device: DeviceOption = None

    def settings(self, source: str | None) -> dict[str, Any]:
        """The settings of the study that these options are, with the data set ``source``."""
        of_data = data_options(source, self.folder, self.size, self.fit, self.skip_bad)
        return {**of_data, "small_classes": self.small_classes, "compute.device": self.device}


@dataclass(frozen=True)
class OutputOptions:
    """What a study shows, and how often it keeps its state."""

    checkpoint_every: CheckpointOption = None
    quiet: NoProgressOption = False
    as_json: JsonOption = False

    def show(self) -> Show:
        from condensation.cli.views.study import Show

        return Show(self.quiet, self.as_json, self.checkpoint_every)


def data_options(source: str | None, folder: str | None, size: str | None, fit: str | None, skip_bad: bool) -> dict[str, str | bool | None]:
    """The options that say which images, and how they are read, by the names of the settings."""
    return {"data.source": source, "data.folder": folder, "data.size": size, "data.fit": fit, "data.skip_bad": skip_bad or None}


def last_name(source: str) -> str:
    """What a default folder is called after: of a path such as "..", the name that it really has."""
    return Path(source).resolve().name or "data"


def content_of(
    config: Path | None, options: dict[str, Any], overrides: list[str] | None, passed_over: Collection[str] = ()
) -> dict[str, Any]:
    """What the file says, but for what is ``passed_over`` in it, changed by the options, changed by the overrides."""
    from condensation.config.toml import apply_override, read, set_path

    content = {name: value for name, value in (read(config) if config else {}).items() if name not in passed_over}
    for name, value in options.items():
        if value is not None:
            content = set_path(content, name, value)
    for override in overrides or []:
        content = apply_override(content, override)
    return content


def folder_and_settings(given: list[str] | None) -> tuple[list[Path], list[str]]:
    """What was named: a folder of a study, and overrides.

    Raises:
        CondensationError: if both were given, or more than one folder.
    """
    paths = [Path(one) for one in given or [] if "=" not in one or Path(one).exists()]
    overrides = [one for one in given or [] if Path(one) not in paths]
    if len(paths) > 1 or (paths and overrides):
        raise CondensationError(f"{paths[0]} is to be printed again, and that is all.\nLeave the rest out, or name the folder with --out.")
    return paths, overrides


def numbers(text: str | None, option: str = "--ipc") -> list[int] | None:
    """``1,10,50`` as numbers.

    Raises:
        CondensationError: if it is anything else.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise CondensationError(f"{option} is {text!r}; it must be whole numbers from 1, for example 1,10,50.")
    return [int(part) for part in parts]


def names(text: str | None) -> list[str] | None:
    """``convnet, vgg11`` as a list."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def study_content(config: Path | None, options: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """As `content_of`; a data set may be given by its name alone."""
    from condensation.config.toml import apply_override, read, set_path

    content = read(config) if config else {}
    for name in ("data", "method"):
        if isinstance(content.get(name), str):
            content = {**content, name: {"source" if name == "data" else "name": content[name]}}
    for name, value in options.items():
        if value is not None:
            content = set_path(content, name, value)
    for override in overrides:
        content = apply_override(content, override)
    return content


def print_settings(settings: object) -> None:
    """Print ``settings`` as TOML, from which they can be read again."""
    from condensation.config.toml import to_toml
    from condensation.core.plain import to_dict

    typer.echo(to_toml(to_dict(settings)), nl=False)
