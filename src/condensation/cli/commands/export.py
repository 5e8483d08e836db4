"""``condense export``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli import options as opt
from condensation.cli.app import app
from condensation.cli.choices import EXPORTS, one_of
from condensation.cli.groups import grouped
from condensation.cli.refuse import require_sets
from condensation.core.errors import CondensationError

_FORMATS = "png, npz, parquet, torch or hub."
_check_format = one_of("export", EXPORTS)


@app.command()
@grouped
def export(
    path: Annotated[Path, typer.Argument(metavar="SET", help="Run folder, set file, or name listed by `condense sets`.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=_FORMATS, show_default=False, callback=_check_format)],
    overrides: opt.Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder.", show_default="SET-FORMAT")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Evaluate the set and its 8-bit images.")] = False,
    decoded: Annotated[
        bool, typer.Option("--decoded", help="Write the images that a network sees, without the form of the set; they need more bytes.")
    ] = False,
    data: opt.DataOption = None,
    folder: opt.FolderOption = None,
    device: opt.DeviceOption = None,
    trust: opt.TrustOption = False,
    output: opt.Output = opt.Output(),
) -> None:
    """Write a set for plain PyTorch and other programs, with a card that shows how to train on it."""
    require_sets([path])
    from condensation.cli.views import export as view

    options = {**opt.data_options(data, folder), "compute.device": device}
    given = [*(name for name, value in options.items() if value is not None), *(overrides or [])]
    if given and not evaluate:
        raise CondensationError(f"{given[0]} is a setting of the evaluation.", hint="Add --evaluate, or drop the setting.")
    content = opt.content_of(None, options, overrides) if evaluate else None
    view.export(path, to, out, content, output, opt.trusted(trust, options, overrides), decoded=decoded)
