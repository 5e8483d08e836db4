"""``condense networks``."""

from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.choices import NETWORKS, one_of
from condensation.cli.options import JsonOption, Overrides, content_of

_NETWORK = "Network to show, or your own: module:name, file.py:name."
_check_network = one_of("network", NETWORKS)


@app.command()
def networks(
    network: Annotated[str | None, typer.Argument(metavar="[NETWORK]", help=_NETWORK, show_default=False, callback=_check_network)] = None,
    overrides: Overrides = None,
    shape: Annotated[str, typer.Option("--shape", help="Channels, height and width of an image.")] = "3x32x32",
    classes: Annotated[int, typer.Option("--classes", metavar="N", min=2, help="Number of classes.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the networks and their sizes, or show the settings and layers of one."""
    from condensation.cli.views import networks as view
    from condensation.config.build import from_dict
    from condensation.networks.base import NetworkSpec

    if network is None:
        return view.networks(shape, classes, as_json=as_json)
    spec = from_dict(NetworkSpec, content_of(None, {"name": network}, overrides))  # type: ignore[type-abstract]
    return view.network(spec, shape, classes, as_json=as_json)
