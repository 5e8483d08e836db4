"""``condense show``, and the lists of what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import FolderOption, JsonOption, Overrides, content_of


@app.command()
def show(
    paths: Annotated[list[Path], typer.Argument(metavar="SET...", help="Run folders or set files; several stand in one picture.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where the picture goes.", show_default="beside the first set")] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Images shown of each class.", show_default="10 at most")] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw sets, real images above the synthetic ones, and print their cards."""
    from condensation.cli.views import run as running

    running.show(paths, out, rows, folder, as_json=as_json)


@app.command()
def methods(as_json: JsonOption = False) -> None:
    """List the methods and their settings."""
    from condensation.cli.views import listing

    listing.methods(as_json=as_json)


@app.command()
def networks(
    network: Annotated[
        str | None, typer.Argument(metavar="[NETWORK]", help="One of them, or your own: module:name, file.py:name.", show_default=False)
    ] = None,
    overrides: Overrides = None,
    shape: Annotated[str, typer.Option("--shape", help="Channels, height and width of an image.")] = "3x32x32",
    classes: Annotated[int, typer.Option("--classes", min=2, help="How many classes.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the networks and their sizes; or of one, the layers."""
    from condensation.cli.views import listing
    from condensation.config.build import from_dict
    from condensation.networks.base import NetworkSpec

    if network is None:
        return listing.networks(shape, classes, as_json=as_json)
    content = content_of(None, {"name": network}, overrides)
    return listing.network(from_dict(NetworkSpec, content), shape, classes, as_json=as_json)  # type: ignore[type-abstract]
