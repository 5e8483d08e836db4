"""``condense methods``."""

from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.choices import METHODS, one_of
from condensation.cli.options import JsonOption

_METHOD = "Method to show, or your own: module:name."
_check_method = one_of("method", METHODS)


@app.command()
def methods(
    method: Annotated[str | None, typer.Argument(metavar="[METHOD]", help=_METHOD, show_default=False, callback=_check_method)] = None,
    as_json: JsonOption = False,
) -> None:
    """List the methods, or show the settings of one."""
    from condensation.cli.views import methods as view

    return view.method(method, as_json=as_json) if method else view.methods(as_json=as_json)
