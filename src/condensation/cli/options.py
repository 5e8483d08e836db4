"""Options that several commands share, and the plain settings they make."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.cli.choices import DEVICES, FITS, NETWORKS, PRESETS, SMALL_CLASSES, check_size, one_of
from condensation.core.errors import CondensationError

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
SetsAndOverrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SET | NAME=VALUE]...", help="Run folders or set files, and settings.", show_default=False),
]
_DATA = "Name that `condense data` lists, or a path."
DataOption = Annotated[str | None, typer.Option("--data", "-d", help=_DATA, show_default=False)]
RunDataOption = Annotated[str | None, typer.Option("--data", "-d", help=_DATA, show_default="fashion-mini")]
FolderOption = Annotated[
    str | None, typer.Option("--folder", help="Folder of data sets; else the variable CONDENSATION_DATA.", show_default=False)
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        help="Name that `condense networks` lists, or your own: module:name, file.py:name.",
        show_default="convnet",
        callback=one_of("network", NETWORKS),
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size", metavar="N|HxW", help="Resize to N pixels a side, or height x width.", show_default="unchanged", callback=check_size
    ),
]
FitOption = Annotated[
    str | None,
    typer.Option(
        "--fit", help="Images of another shape: crop to the centre, or pad with black.", show_default="crop", callback=one_of("fit", FITS)
    ),
]
SkipBadOption = Annotated[bool, typer.Option("--skip-bad", help="Skip images that cannot be read, and list them.")]
_SMALL_CLASSES = "If a class has fewer than ipc images: error, or all to use every one of them."
_check_small_classes = one_of("rule for small classes", SMALL_CLASSES, "small_classes")
SmallClassesOption = Annotated[
    str | None, typer.Option("--small-classes", help=_SMALL_CLASSES, show_default="error", callback=_check_small_classes)
]
SavedSmallClassesOption = Annotated[
    str | None,
    typer.Option("--small-classes", help=_SMALL_CLASSES, show_default="that of the set, else error", callback=_check_small_classes),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings in TOML or JSON, such as settings.json of a run; options win.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of all random numbers.", show_default="0")]
_PRESETS = "settings: fast, long, best, paper."
_check_preset = one_of("preset", PRESETS)
MethodPresetOption = Annotated[
    str | None, typer.Option("--preset", help=f"The method's {_PRESETS}", show_default="fast", callback=_check_preset)
]
MethodsPresetOption = Annotated[
    str | None, typer.Option("--preset", help=f"The methods' {_PRESETS}", show_default="fast", callback=_check_preset)
]
RunPresetOption = Annotated[
    str | None,
    typer.Option("--preset", help="fast: minutes; long, best: an hour; paper: as published.", show_default="fast", callback=_check_preset),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.", show_default="auto", callback=one_of("device", DEVICES)),
]
RandomOption = Annotated[int, typer.Option("--random", help="Also evaluate this many random real images per class.", metavar="N", min=0)]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print all settings as TOML and stop.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
NoProgressOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only: no progress, no paths.")]
CheckpointOption = Annotated[
    float | None,
    typer.Option("--checkpoint-every", metavar="SEC", help="Time between checkpoints; 0: each step.", show_default="20", min=0),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True)
class DataOptions:
    """Options that say which images are read, from which file settings come, and on which device work runs."""

    folder: FolderOption = None
    size: SizeOption = None
    fit: FitOption = None
    skip_bad: SkipBadOption = False
    small_classes: SmallClassesOption = None
    config: ConfigOption = None
    device: DeviceOption = None

    def settings(self, source: str | None) -> dict[str, Any]:
        """Return the options as settings, with the data set ``source``."""
        data = data_options(source, self.folder, self.size, self.fit, self.skip_bad)
        return {**data, "small_classes": self.small_classes, "compute.device": self.device}


@dataclass(frozen=True)
class SavedDataOptions(DataOptions):
    """`DataOptions` of a command that evaluates saved sets."""

    small_classes: SavedSmallClassesOption = None


@dataclass(frozen=True)
class Output:
    """Output of a command: text and progress, JSON, or errors only."""

    quiet: QuietOption = False
    as_json: JsonOption = False

    @property
    def talks(self) -> bool:
        """True if progress and text are printed, not the result alone."""
        return not self.quiet and not self.as_json


@dataclass(frozen=True)
class ResultOutput(Output):
    """Output of a command whose result is printed text: ``--quiet`` leaves out progress and paths."""

    quiet: NoProgressOption = False


@dataclass(frozen=True)
class OutputOptions(ResultOutput):
    """Output of a study, and the time between its checkpoints."""

    checkpoint_every: CheckpointOption = None


def data_options(
    source: str | None, folder: str | None = None, size: str | None = None, fit: str | None = None, skip_bad: bool = False
) -> dict[str, str | bool | None]:
    """Return the options that select and read images, by the names of their settings."""
    return {"data.source": source, "data.folder": folder, "data.size": size, "data.fit": fit, "data.skip_bad": skip_bad or None}


def last_name(source: str) -> str:
    """Return the last part of a path, resolved so that ".." has one too: default folders are named after it."""
    return Path(source).resolve().name or "data"


def content_of(
    config: Path | None, options: Mapping[str, Any], overrides: Sequence[str] | None, skip: Collection[str] = ()
) -> dict[str, Any]:
    """Return plain settings: those of the ``config`` file except the names in ``skip``, then ``options``, then ``overrides``."""
    from condensation.config.toml import layered, read_settings

    content = read_settings(config) if config else {}
    return layered({name: value for name, value in content.items() if name not in skip}, options, overrides)


def split_arguments(arguments: Sequence[str] | None) -> tuple[list[Path], list[str]]:
    """Split arguments into paths and overrides, ``NAME=VALUE``; a path may have an equals sign if it exists."""
    paths = [argument for argument in arguments or [] if "=" not in argument or Path(argument).exists()]
    return [Path(path) for path in paths], [argument for argument in arguments or [] if argument not in paths]


def folder_and_settings(arguments: Sequence[str] | None) -> tuple[list[Path], list[str]]:
    """Return the folder of a study to print again, or the overrides of a new one.

    Raises:
        CondensationError: if both are given, or more than one folder.
    """
    paths, overrides = split_arguments(arguments)
    if len(paths) > 1 or (paths and overrides):
        hint = "Leave the rest out, or name the folder of a new study with out=..."
        raise CondensationError(f"{paths[0]} is a study to print again; nothing else can be given with it.", hint=hint)
    return paths, overrides


def numbers(text: str | None, option: str = "--ipc") -> list[int] | None:
    """Parse ``1,10,50``.

    Raises:
        CondensationError: if a part is not a whole number from 1.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise CondensationError(f"Expected whole numbers from 1 for {option}, such as 1,10,50; got {text!r}.")
    return [int(part) for part in parts]


def names(text: str | None) -> list[str] | None:
    """Parse ``convnet, vgg11``."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def print_settings(settings: object) -> None:
    """Print ``settings`` as TOML that ``--config`` reads."""
    from condensation.config.toml import to_toml
    from condensation.core.plain import to_dict

    typer.echo(to_toml(to_dict(settings)), nl=False)
