"""The command itself, to which each module beside this one adds its subcommands."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="condense",
    help="Turn an image training set into a few synthetic images per class that train a network nearly as well.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"condensation {version('condensation')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    pass
