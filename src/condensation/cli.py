"""The command ``condense``: each subcommand is a line or two of the Python API, with the same names."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from condensation.errors import CondensationError

if TYPE_CHECKING:
    from condensation.runs import RunSettings

# The error for wrong options, which typer does not name; in its newer versions it is no longer click's.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="condense",
    help="Turn an image training set into a few synthetic images per class that train a network nearly as well.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="Any setting by its name: method.lr=0.5 evaluation.networks=5", show_default=False),
]
DataOption = Annotated[str | None, typer.Option("--data", "-d", help="A name that `condense data` lists, or a path.", show_default=False)]
FolderOption = Annotated[
    str | None, typer.Option("--folder", help="Where data sets lie; else the variable CONDENSATION_DATA says.", show_default=False)
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


@app.command()
def run(
    overrides: Overrides = None,
    data: DataOption = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="One that `condense methods` lists.", show_default="dm")] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", "-i", help="Synthetic images per class.", show_default="10")] = None,
    preset: Annotated[str, typer.Option("--preset", help="fast: minutes; long: an hour; paper: as published.")] = "fast",
    folder: FolderOption = None,
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
    from condensation import console
    from condensation.presets import preset_for
    from condensation.runs import RunSettings
    from condensation.settings import build

    options = {"data.source": data, "data.folder": folder, "method": method, "ipc": ipc, "seed": seed, "compute.device": device}
    content = _content(config, options, overrides)
    settings = build(RunSettings, content, preset_for(preset, content))
    if print_config:
        return _print_config(settings)
    out = out or _default_folder(settings)
    show = console.Show(tensorboard=tensorboard, quiet=quiet, as_json=as_json)
    console.run(settings, out, show, resume=resume, checkpoint_every=checkpoint_every)


@app.command()
def evaluate(
    sets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SET | NAME=VALUE]...", help="Run folders or set files, and settings.", show_default=False),
    ] = None,
    data: DataOption = None,
    random: Annotated[int, typer.Option("--random", help="Judge this many random real images a class as well.", min=0)] = 0,
    whole: Annotated[bool, typer.Option("--whole", help="Judge the whole training set as well.")] = False,
    folder: FolderOption = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    print_config: PrintConfig = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the accuracies alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train networks on condensed sets, random real images or the whole data, and test them."""
    from condensation import console
    from condensation.judging import JudgeSettings
    from condensation.settings import build

    paths = [one for one in sets or [] if "=" not in one or Path(one).exists()]
    overrides = [one for one in sets or [] if one not in paths]
    options = {"data.source": data, "data.folder": folder, "random": random or None, "whole": whole or None, "seed": seed}
    content = _content(config, {**options, "compute.device": device}, overrides)
    settings = build(JudgeSettings, content, JudgeSettings())
    if print_config:
        return _print_config(settings)
    console.judge(settings, [Path(path) for path in paths], quiet=quiet, as_json=as_json)


@app.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="SET", help="A run folder or a set file.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where the picture goes.", show_default="beside the set")] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Images shown of each class.", show_default="10 at most")] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a set, real images above the synthetic ones, and print its card."""
    from condensation import console

    console.show(path, out, rows, folder, as_json=as_json)


@app.command()
def methods(as_json: JsonOption = False) -> None:
    """List the methods and their settings."""
    from condensation import listing

    listing.methods(as_json=as_json)


@app.command()
def networks(
    shape: Annotated[str, typer.Option("--shape", help="Channels, height and width of an image.")] = "3x32x32",
    classes: Annotated[int, typer.Option("--classes", min=2, help="How many classes.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the networks and their sizes."""
    from condensation import listing

    listing.networks(shape, classes, as_json=as_json)


@app.command("data")
def list_data(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the data sets, and which of them are here."""
    from condensation import listing

    listing.data(folder, as_json=as_json)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"condensation {version('condensation')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    pass


def _content(config: Path | None, options: dict[str, Any], overrides: list[str] | None) -> dict[str, Any]:
    """What the file says, changed by the options, changed by the overrides."""
    from condensation.settings import merge, put, read

    content = read(config) if config else {}
    for name, value in options.items():
        if value is not None:
            content = put(content, name, value)
    for override in overrides or []:
        content = merge(content, override)
    return content


def _print_config(settings: object) -> None:
    from condensation.settings import plain, to_toml

    typer.echo(to_toml(plain(settings)), nl=False)


def _default_folder(settings: RunSettings) -> Path:
    from condensation.settings import plain

    count = settings.ipc if isinstance(settings.ipc, int) else "mixed"
    # Of a path such as "..", the name that it really has.
    source = Path(settings.data.source).resolve().name or "data"
    return Path("runs") / f"{source}-{plain(settings.method)['name']}-ipc{count}-seed{settings.seed}"


def main() -> None:
    """Run the command; a person's mistake ends in a line or two and exit code 2, never in a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        # Without arguments there is nothing to do but explain.
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except CondensationError as error:
        _fail(str(error), 2)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "condense"
        _fail(f"{error.format_message()}\nSee: {command} --help", 2)
    except OSError as error:
        _fail(f"{error.filename or 'A file'}: {error.strerror or error}.\nSee that it can be read and written, and go on with --resume.", 2)
    except typer.Abort:
        _fail("Stopped.", 130)
    except MemoryError:
        _fail("Not enough memory.\nUse fewer images (ipc, batch_per_class) or smaller ones (data.size).", 2)
    except KeyboardInterrupt:
        _fail("Stopped.", 130)
    except RuntimeError as error:
        said = str(error).lower()
        if isinstance(error, NotImplementedError) and "mps" in said:
            _fail("Torch cannot do all of this on mps.\nUse --device cpu, or set PYTORCH_ENABLE_MPS_FALLBACK=1.", 2)
        if "out of memory" not in said and "can't allocate memory" not in said:
            raise
        _fail("Not enough memory on the device.\nUse a smaller compute.chunk, fewer images (ipc), or --device cpu.", 2)
    if code == 130:
        _fail("Stopped.", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"condense: {message}", file=sys.stderr)
    sys.exit(code)


__all__ = ["app", "main"]
