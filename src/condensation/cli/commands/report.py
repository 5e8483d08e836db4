"""``condense report``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import FolderOption, JsonOption, NoRealOption, TrustOption


@app.command()
def report(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Run folders, folders of studies, set files, or folders of those.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Page to write.", show_default="report.html in the folder")] = None,
    no_real: NoRealOption = False,
    folder: FolderOption = None,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write one page about runs, sets and studies: pictures, accuracies, curves, settings, cost and code."""
    from condensation.cli.pages.places import require_reportable

    require_reportable(paths, out)
    from condensation.cli.views import report as view

    view.report(paths, out, folder, real=not no_real, trust=trust, as_json=as_json)
