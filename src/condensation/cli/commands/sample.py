"""``condense sample``: new sets from trained generators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import DeviceOption, JsonOption


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run that trained a generator, or the generator's file.")],
    ipc: Annotated[int, typer.Option("--ipc", "-i", min=1, help="Images per class; any number.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Decides which images are drawn.")] = 0,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The new folder.", show_default="RUN-sample-ipcN-seedN")] = None,
    check: Annotated[
        int, typer.Option("--check", min=0, help="Train a network on the real images for so many epochs, and say how many it recognises.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a new set from the generator that a run trained (gmmn, ...)."""
    from condensation.cli.views import export as exporting

    exporting.sample(run, ipc, seed, device or "auto", out, check, as_json=as_json)
