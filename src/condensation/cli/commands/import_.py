"""``condense import``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import JsonOption

_FORM = "What a stored image holds: tiles=2 for a mosaic of 2 x 2 (IDC, IDM, DREAM, M3D, DANCE, NCFM)."
_PIXELS = "unit for values in [0, 1], or normalized."


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File such as res_DM_CIFAR10_ConvNet_10ipc.pt, data.pt, images_best.pt.")],
    data: Annotated[str, typer.Option("--data", "-d", help="Data set it was made from: cifar10, mnist, ...", show_default=False)],
    which: Annotated[int, typer.Option("--which", metavar="N", min=0, help="Index of the set in the file.")] = 0,
    labels: Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="File of the labels if they are apart.")] = None,
    form: Annotated[str | None, typer.Option("--form", metavar="NAME=N", help=_FORM)] = None,
    pixels: Annotated[str | None, typer.Option("--pixels", help=_PIXELS, show_default="recognized")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Set file.", show_default="FILE.safetensors")] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a file of the official project or of its successors (torch.save) to a set; no code in the file can run."""
    from condensation.cli.views import import_ as view

    view.import_official(path, out, form, as_json=as_json, data=data, which=which, labels=labels, pixels=pixels)
