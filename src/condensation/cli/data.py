"""``condense data``: which data sets there are."""

from __future__ import annotations

import typer

from condensation.cli.app import app
from condensation.cli.options import FolderOption, JsonOption

data = typer.Typer(help="List the data sets, and which of them are here.", invoke_without_command=True)
app.add_typer(data, name="data")


@data.callback()
def listed(context: typer.Context, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the data sets, and which of them are here."""
    if context.invoked_subcommand is None:
        from condensation import listing

        listing.data(folder, as_json=as_json)
