"""``condense import``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import JsonOption


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File such as res_DM_CIFAR10_ConvNet_10ipc.pt.")],
    data: Annotated[str, typer.Option("--data", "-d", help="Data set it was made from: cifar10, mnist, ...", show_default=False)],
    which: Annotated[int, typer.Option("--which", metavar="N", min=0, help="Index of the set in the file.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Set file.", show_default="FILE.safetensors")] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a file of the official project (torch.save) to a set; no code in the file can run."""
    from condensation.cli.views import import_ as view

    view.import_official(path, data, which, out, as_json=as_json)
