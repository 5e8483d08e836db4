"""``condense runs``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import JsonOption


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder to search, with those below.")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List the runs below a folder: data, method, accuracy, time, and whether they are finished."""
    from condensation.cli.views import runs as view

    view.list_runs(folder, as_json=as_json)
