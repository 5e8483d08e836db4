"""``condense methods``."""

from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.choices import METHODS, one_of
from condensation.cli.options import JsonOption


@app.command()
def methods(
    method: Annotated[
        str | None,
        typer.Argument(
            metavar="[METHOD]", help="One of them, or your own: module:name.", show_default=False, callback=one_of("method", METHODS)
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the methods; or the settings of one."""
    from condensation.cli.views import methods as view

    return view.method(method, as_json=as_json) if method else view.methods(as_json=as_json)
