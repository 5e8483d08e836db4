"""The command itself, to which each module of `condensation.cli.commands` adds its subcommand."""

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from condensation.core.errors import CondensationError

# Subcommands in the order of ``condense --help``: the most used come first.
PANELS = {
    "Condense": ("run", "sample"),
    "Evaluate": ("evaluate", "ridge", "teach"),
    "Inspect": ("runs", "compare", "show", "report", "sets", "methods", "networks", "data", "export", "import"),
    "Studies": ("table", "transfer", "continual", "federated", "nas", "pools", "theory", "privacy"),
}


class PanelGroup(TyperGroup):
    """Group that lists the subcommands in the order of `PANELS`, each under its heading."""

    def list_commands(self, ctx: Any) -> list[str]:
        for panel, names in PANELS.items():
            for name in names:
                self.commands[name].rich_help_panel = panel  # type: ignore[attr-defined]
        return [name for names in PANELS.values() for name in names]


app = typer.Typer(
    name="condense",
    cls=PanelGroup,
    help="Turn an image training set into a few synthetic images per class on which a network trains nearly as well as on the full set.",
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
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    if ctx.invoked_subcommand != "run" and started_by_torchrun():
        message = f"`condense {ctx.invoked_subcommand}` runs in one process."
        raise CondensationError(message, hint="Start it without torchrun; studies use several processes with --on.")


def started_by_torchrun() -> bool:
    """Return whether this is one of several processes that torchrun started."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")
