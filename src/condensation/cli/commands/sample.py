"""``condense sample``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import DeviceOption, DryRunOption, JsonOption, TrustOption

_CHECK = "Train a classifier on the real images for this many epochs, and print its accuracy on the samples."


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that trained a generator, or the generator's file.")],
    ipc: Annotated[int, typer.Option("--ipc", "-i", metavar="N", min=1, help="Images per class.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the latents.")] = 0,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder.", show_default="RUN-sample-ipcN-seedN")] = None,
    check: Annotated[int, typer.Option("--check", metavar="N", min=0, help=_CHECK)] = 0,
    trust: TrustOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw a new set from the trained generator of a run (gmmn, ...)."""
    from condensation.cli.views import sample as view

    if dry_run:
        return view.plan(run, ipc, device or "auto", check, trust=trust, as_json=as_json)
    return view.sample(run, ipc, seed, device or "auto", out, check, trust=trust, as_json=as_json)
