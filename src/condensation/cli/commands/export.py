"""``condense export`` and ``condense import``: sets for other programs, and sets of the official project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import DataOption, DeviceOption, FolderOption, JsonOption, Overrides, QuietOption, content_of
from condensation.core.errors import CondensationError


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="SET", help="A run folder or a set file.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="png, npz, parquet, torch or hub.", show_default=False)],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The new folder.", show_default="SET-FORMAT")] = None,
    judge: Annotated[bool, typer.Option("--judge", help="Measure what the 8-bit pictures are worth beside the set.")] = False,
    data: DataOption = None,
    folder: FolderOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a set for plain PyTorch and other programs, with a card that says how to train on it."""
    from condensation.cli.views import export as exporting

    options = {"data.source": data, "data.folder": folder, "compute.device": device}
    given = [*(name for name, value in options.items() if value is not None), *(overrides or [])]
    if given and not judge:
        raise CondensationError(f"{given[0]} is for judging.\nAdd --judge to measure what the 8-bit pictures are worth, or leave it out.")
    exporting.export(path, to, out, content_of(None, options, overrides) if judge else None, quiet=quiet, as_json=as_json)


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Such as res_DM_CIFAR10_ConvNet_10ipc.pt.")],
    data: Annotated[str, typer.Option("--data", "-d", help="The data set it was made from: cifar10, mnist, ...", show_default=False)],
    which: Annotated[int, typer.Option("--which", min=0, help="Of several sets in the file, which.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The set file.", show_default="FILE.safetensors")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a set of a file of the official project (torch.save); nothing in it can run code."""
    from condensation.cli.views import export as exporting

    exporting.import_official(path, data, which, out, as_json=as_json)
