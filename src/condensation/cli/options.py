"""Options that several commands share, and the plain settings they make."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.cli.choices import DEVICES, EVALUATIONS, FITS, NETWORKS, PRESETS, SMALL_CLASSES, check_size, one_of
from condensation.core.errors import CondensationError, abridged, unknown
from condensation.core.text import shown
from condensation.core.trust import Trust, given_names

Text = str | None
Arguments = list[str] | None

_SETTINGS = "Any setting by its name: method.lr=0.5 evaluation.networks=5"
Overrides = Annotated[Arguments, typer.Argument(metavar="[NAME=VALUE]...", help=_SETTINGS, show_default=False)]
_DATA_SETTINGS = "Settings of the data: data.columns=img,label data.preprocessing=none"
DataOverrides = Annotated[Arguments, typer.Argument(metavar="[NAME=VALUE]...", help=_DATA_SETTINGS, show_default=False)]
_SETS = "Run folders, set files or names listed by `condense sets`, and settings."
SetsAndOverrides = Annotated[Arguments, typer.Argument(metavar="[SET | NAME=VALUE]...", help=_SETS, show_default=False)]
_DATA = "Name listed by `condense data`, or a path."
DataOption = Annotated[Text, typer.Option("--data", "-d", help=_DATA, show_default=False)]
RunDataOption = Annotated[Text, typer.Option("--data", "-d", help=_DATA, show_default="fashion-mini")]
_FOLDER = "Folder of data sets; default: the variable CONDENSATION_DATA."
FolderOption = Annotated[Text, typer.Option("--folder", help=_FOLDER, show_default=False)]
_NETWORK = "Name listed by `condense networks`, or your own: module:name, file.py:name."
_check_network = one_of("network", NETWORKS)
NetworkOption = Annotated[Text, typer.Option("--network", help=_NETWORK, show_default="convnet", callback=_check_network)]
_SIZE = "Resize to N pixels per side, or height x width."
SizeOption = Annotated[Text, typer.Option("--size", metavar="N|HxW", help=_SIZE, show_default="unchanged", callback=check_size)]
_FIT = "Images of another shape: crop to the centre, or pad with black."
FitOption = Annotated[Text, typer.Option("--fit", help=_FIT, show_default="crop", callback=one_of("fit", FITS))]
SkipBadOption = Annotated[bool, typer.Option("--skip-bad", help="Skip images that cannot be read, and list them.")]
_EVALUATE = "quick: 2 networks, about a minute; clean, paper, cutmix: 3 to 5 networks by that recipe; none."
EvaluateOption = Annotated[Text, typer.Option("--evaluate", help=_EVALUATE, show_default="quick")]
_EVALUATE_SAVED = "clean: 3 networks; paper, cutmix: 5 networks by that recipe; quick: 2 networks of fewer epochs."
SavedEvaluateOption = Annotated[Text, typer.Option("--evaluate", help=_EVALUATE_SAVED, show_default="clean")]
_SMALL = "If a class has fewer than ipc images: error stops, all uses all of them."
_check_small = one_of("rule for small classes", SMALL_CLASSES, "small_classes")
SmallClassesOption = Annotated[Text, typer.Option("--small-classes", help=_SMALL, show_default="error", callback=_check_small)]
_OF_SET = "that of the set, else error"
SavedSmallClassesOption = Annotated[Text, typer.Option("--small-classes", help=_SMALL, show_default=_OF_SET, callback=_check_small)]
_CONFIG = "Settings in TOML or JSON, such as settings.json of a run; options override them."
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help=_CONFIG)]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of all random numbers.", show_default="0")]
_PRESET = "fast: minutes; best: an hour; classic, long: the same without tiles; paper: as published."
_check_preset = one_of("preset", PRESETS)
RunPresetOption = Annotated[Text, typer.Option("--preset", help=_PRESET, show_default="fast", callback=_check_preset)]
_DEVICE = "auto, cpu, cuda, cuda:1 or mps."
DeviceOption = Annotated[Text, typer.Option("--device", help=_DEVICE, show_default="auto", callback=one_of("device", DEVICES))]
_RANDOM = "Also evaluate this many random real images per class."
RandomOption = Annotated[int, typer.Option("--random", help=_RANDOM, metavar="N", min=0)]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print all settings as TOML and exit.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print minutes, memory and disk space, and do nothing.")]
_NO_REAL = "Show no real images, for example since they are private."
NoRealOption = Annotated[bool, typer.Option("--no-real", help=_NO_REAL)]
_VERBOSE = "Also print what is done internally, such as compiling; a run keeps it in run.log."
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help=_VERBOSE, callback=lambda wanted: print_details() if wanted else None)]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
NoProgressOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only: no progress, no paths.")]
_EVERY = "Time between checkpoints; 0: each step."
CheckpointOption = Annotated[float | None, typer.Option("--checkpoint-every", metavar="SEC", help=_EVERY, show_default="20", min=0)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_TRUST = "Import code, and read data of the hub, that a file names and you do not."
TrustOption = Annotated[bool, typer.Option("--trust", help=_TRUST)]


def print_details() -> None:
    """Print what this package logs as information, too."""
    logging.getLogger("condensation").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.INFO)


@dataclass(frozen=True)
class DataOptions:
    """Options for the images to read, the settings file and the device."""

    folder: FolderOption = None
    size: SizeOption = None
    fit: FitOption = None
    skip_bad: SkipBadOption = False
    small_classes: SmallClassesOption = None
    config: ConfigOption = None
    device: DeviceOption = None
    trust: TrustOption = False

    def settings(self, source: str | None) -> dict[str, Any]:
        """Return the options as settings, with the data set ``source``."""
        data = data_options(source, self.folder, self.size, self.fit, self.skip_bad)
        return {**data, "small_classes": self.small_classes, "compute.device": self.device}


@dataclass(frozen=True)
class SavedDataOptions(DataOptions):
    """`DataOptions` of a command that evaluates saved sets."""

    small_classes: SavedSmallClassesOption = None


@dataclass(frozen=True)
class SeededDataOptions:
    """Options of a study of one data set for its images, its settings file, its seed and the device."""

    folder: FolderOption = None
    size: SizeOption = None
    config: ConfigOption = None
    seed: SeedOption = None
    device: DeviceOption = None
    trust: TrustOption = False

    def settings(self, source: str | None) -> dict[str, Any]:
        """Return the options as settings, with the data set ``source``."""
        return {**data_options(source, self.folder, self.size), "seed": self.seed, "compute.device": self.device}


@dataclass(frozen=True)
class Output:
    """Output of a command: text and progress, JSON, or errors only."""

    quiet: QuietOption = False
    verbose: VerboseOption = False
    as_json: JsonOption = False

    @property
    def talks(self) -> bool:
        """True if progress and text are printed, not only the result."""
        return not self.quiet and not self.as_json


@dataclass(frozen=True)
class ResultOutput(Output):
    """Output of a command whose result is printed text: ``--quiet`` leaves out progress and paths."""

    quiet: NoProgressOption = False


@dataclass(frozen=True)
class OutputOptions(ResultOutput):
    """Output of a study, and the time between its checkpoints."""

    checkpoint_every: CheckpointOption = None


def data_options(source: Text, folder: Text = None, size: Text = None, fit: Text = None, skip_bad: bool = False) -> dict[str, Any]:
    """Return the options that select and read images, by the names of their settings."""
    return {"data.source": source, "data.folder": folder, "data.size": size, "data.fit": fit, "data.skip_bad": skip_bad or None}


def evaluation_options(name: Text) -> dict[str, Any]:
    """Return the settings of the evaluation called ``name``; none if it was not given."""
    if name is not None and name not in EVALUATIONS:
        raise unknown("evaluation", name, EVALUATIONS, setting="evaluation.recipe")
    recipe = {} if name in (None, "none") else {"evaluation.recipe": name}
    return recipe if name is None else {**recipe, "evaluation.networks": EVALUATIONS[name]}


def last_name(source: str) -> str:
    """Return the name for default folders: the last part of a path, with a digest of the path if it is not in the working folder."""
    path = Path(source).resolve()
    return (path.name or "data") + (f"-{digest(str(path))}" if path.parent != Path.cwd() else "")


def digest(text: str) -> str:
    """Return a short digest of ``text`` for the name of a folder."""
    return blake2b(text.encode(), digest_size=2).hexdigest()


def content_of(
    config: Path | None, options: Mapping[str, Any], overrides: Arguments, skip: Collection[str] = (), trust: bool = False
) -> dict[str, Any]:
    """Return plain settings: those of the ``config`` file except the names in ``skip``, then ``options``, then ``overrides``."""
    from condensation.config.toml import layered, read_settings

    content = read_settings(config, trusted(trust, options, overrides)) if config else {}
    return layered({name: value for name, value in content.items() if name not in skip}, options, overrides)


def trusted(trust: bool, options: Mapping[str, Any], overrides: Arguments) -> Trust:
    """Return what a file may name: everything with ``trust``, else what the user has typed too."""
    from condensation.config.toml import layered

    return trust or given_names(layered({}, options, overrides))


def split_arguments(arguments: Arguments) -> tuple[list[Path], list[str]]:
    """Split arguments into paths and overrides, ``NAME=VALUE``; a path may contain an equals sign if it exists."""
    paths = [argument for argument in arguments or [] if "=" not in argument or Path(argument).exists()]
    return [Path(path) for path in paths], [argument for argument in arguments or [] if argument not in paths]


def folder_and_settings(arguments: Arguments) -> tuple[list[Path], list[str]]:
    """Return the folder of a study to print again, or the overrides of a new one; only one of the two may be given."""
    paths, overrides = split_arguments(arguments)
    if len(paths) > 1 or (paths and overrides):
        hint = "Drop the other arguments, or name the folder of a new study with out=..."
        raise CondensationError(f"{paths[0]} is a study to print again; other arguments cannot be combined with it.", hint=hint)
    return paths, overrides


def numbers(text: str, option: str = "--ipc") -> list[int]:
    """Parse ``1,10,50``. Raise CondensationError if a part is not a whole number from 1."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 and int(part) for part in parts):
        raise CondensationError(f"Expected whole numbers from 1 for {option}, such as 1,10,50; got {abridged(repr(text))}.")
    return [int(part) for part in parts]


def names(text: str) -> list[str]:
    """Parse ``convnet, vgg11``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def print_settings(settings: object) -> None:
    """Print ``settings`` as TOML that ``--config`` reads."""
    from condensation.config.toml import to_toml
    from condensation.core.plain import to_dict

    typer.echo(shown(to_toml(to_dict(settings))), nl=False)
