"""``condense show``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import FolderOption, JsonOption, TrustOption
from condensation.cli.refuse import require_sets


@app.command()
def show(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="SET...", help="Run folders, set files or names listed by `condense sets`, drawn in one picture."),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Picture file.", show_default="beside the first set")] = None,
    rows: Annotated[int | None, typer.Option("--rows", metavar="N", min=1, help="Images per class.", show_default="at most 10")] = None,
    decoded: Annotated[bool, typer.Option("--decoded", help="Draw the images that a network sees of a set with a form.")] = False,
    folder: FolderOption = None,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw sets, real images above the synthetic ones, and print their cards."""
    require_sets(paths)
    from condensation.cli.views import show as view

    view.show(paths, out, rows, folder, trust=trust, as_json=as_json, decoded=decoded)
