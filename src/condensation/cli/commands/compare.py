"""``condense compare``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import JsonOption

_SCORES = "Run folders, or files with the JSON of `condense evaluate --json`."
_PER_CLASS = "Show the accuracy of each class, and the class it is most often taken for."


@app.command()
def compare(
    paths: Annotated[list[Path], typer.Argument(metavar="SCORES...", help=_SCORES)],
    every: Annotated[bool, typer.Option("--every", help="Compare every set of the files, such as random images too.")] = False,
    per_class: Annotated[bool, typer.Option("--per-class", help=_PER_CLASS)] = False,
    as_json: JsonOption = False,
) -> None:
    """Set stored scores side by side, with the difference to the first and its 95 % interval; nothing is run."""
    from condensation.cli.views import compare as view

    view.compare(paths, every=every, per_class=per_class, as_json=as_json)
