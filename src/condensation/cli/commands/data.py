"""``condense data`` and its subcommands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condensation.cli import options as opt
from condensation.cli.app import app
from condensation.cli.groups import grouped

if TYPE_CHECKING:
    from condensation.data.settings import DataSettings

data = typer.Typer(help="List the data sets; download, inspect or pack one.", invoke_without_command=True)
app.add_typer(data, name="data")
_SOURCE = "Folder, file, or name listed by `condense data`."
_TARGET = "Target; default: CONDENSATION_DATA, else your data folder."


@data.callback()
def list_datasets(context: typer.Context, folder: opt.FolderOption = None, as_json: opt.JsonOption = False) -> None:
    """List the data sets and the paths of those on this machine."""
    if context.invoked_subcommand is None:
        from condensation.cli.views import data as view

        view.list_data(folder, as_json=as_json)


@data.command()
def get(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name listed by `condense data`.")],
    folder: Annotated[str | None, typer.Option("--folder", help=_TARGET, show_default=False)] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", metavar="ADDRESS", help="Base address to download from.")] = None,
    quiet: opt.QuietOption = False,
) -> None:
    """Print the terms of a data set and download it; an interrupted download continues."""
    from condensation.cli.views import data as view

    parent_folder = context.parent.params.get("folder") if context.parent else None  # condense data --folder ... get
    view.get_data(name, folder or parent_folder, mirror, quiet=quiet)


@data.command()
@grouped
def show(
    source: Annotated[str, typer.Argument(metavar="PATH|NAME", help=_SOURCE)],
    overrides: opt.DataOverrides = None,
    folder: opt.FolderOption = None,
    size: opt.SizeOption = None,
    fit: opt.FitOption = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Images that cannot be read are listed in any case; a run needs it.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture file.")] = Path("data.png"),
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Images per class.")] = 5,
    output: opt.Output = opt.Output(),
) -> None:
    """Print what a run would read (classes, sizes, skipped files, memory) and draw a picture."""
    from condensation.cli.views import data_show as view

    view.show(_settings(opt.data_options(source, folder, size, fit, skip_bad=True), overrides), out, rows, output, skip_bad)


@data.command()
@grouped
def pack(
    source: Annotated[str, typer.Argument(metavar="PATH|NAME", help=_SOURCE)],
    overrides: opt.DataOverrides = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.", show_default=False)] = ...,  # type: ignore[assignment]
    folder: opt.FolderOption = None,
    size: opt.SizeOption = None,
    fit: opt.FitOption = None,
    skip_bad: opt.SkipBadOption = False,
    file_size: Annotated[float, typer.Option("--file-size", metavar="GB", min=0.001, help="Size of a file; a class is in one.")] = 2.0,
    output: opt.Output = opt.Output(),
) -> None:
    """Write the images of a large data set into a few files, from which runs start at once; an interrupted packing continues."""
    from condensation.cli.views import data_pack as view

    view.pack_data(_settings(opt.data_options(source, folder, size, fit, skip_bad), overrides), out, file_size, output)


@data.command()
@grouped
def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that `condense data pack` wrote.")],
    output: opt.Output = opt.Output(),
) -> None:
    """Compare packed images with their digests, and name the file and the class of each that has changed."""
    from condensation.cli.views import data_pack as view

    view.verify_data(folder, output)


def _settings(options: dict[str, Any], overrides: opt.Arguments) -> "DataSettings":
    from condensation.config.build import from_dict
    from condensation.data.settings import DataSettings

    settings = [f"data.{override.removeprefix('data.')}" for override in overrides or []]
    return from_dict(DataSettings, opt.content_of(None, options, settings)["data"], where="data")
