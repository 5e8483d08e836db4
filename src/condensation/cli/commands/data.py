"""``condense data``: which data sets there are, what one holds, and getting one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import DataOverrides, FitOption, FolderOption, JsonOption, QuietOption, SizeOption, content_of, data_options

data = typer.Typer(help="List the data sets and which of them are here, or get one.", invoke_without_command=True)
app.add_typer(data, name="data")


@data.callback()
def listed(context: typer.Context, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the data sets, and which of them are here."""
    if context.invoked_subcommand is None:
        from condensation.cli.views import listing

        listing.data(folder, as_json=as_json)


@data.command("get")
def got(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="One that `condense data` lists.")],
    folder: Annotated[
        str | None, typer.Option("--folder", help="Where it goes; else CONDENSATION_DATA, else your own data folder.", show_default=False)
    ] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", metavar="ADDRESS", help="Get its files from below this address.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Get a data set from where it is given out, after saying on what terms; go on with what a cut left."""
    from condensation.cli.views import data_get as getting

    of_list = context.parent.params.get("folder") if context.parent else None  # of condense data --folder ... get
    getting.data(name, folder or of_list, mirror, quiet=quiet)


@data.command()
def show(
    source: Annotated[str, typer.Argument(metavar="PATH|NAME", help="A folder, a file, or a name that `condense data` lists.")],
    overrides: DataOverrides = None,
    folder: FolderOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="As of a run; here images that cannot be read are listed anyway.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the picture goes.")] = Path("data.png"),
    rows: Annotated[int, typer.Option("--rows", min=1, help="Images shown of each class.")] = 5,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what would be read, without condensing: classes, sizes, what is skipped and why, memory, and a picture."""
    from condensation.cli.views import data_show as overview
    from condensation.config.build import from_dict
    from condensation.data.settings import DataSettings

    written = [f"data.{one.removeprefix('data.')}" for one in overrides or []]
    content = content_of(None, data_options(source, folder, size, fit, skip_bad=True), written)
    settings = from_dict(DataSettings, content["data"], where="data")
    overview.show(settings, out, rows, quiet=quiet, as_json=as_json)
