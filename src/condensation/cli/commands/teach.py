"""``condense teach``: networks taught the lessons of a set by its own schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import DataOption, DeviceOption, FolderOption, JsonOption, data_options


@app.command()
def teach(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run of gtn, or its set.")],
    networks: Annotated[int, typer.Option("--networks", "-n", min=1, help="How many new networks are taught.")] = 5,
    network: Annotated[str | None, typer.Option("--network", help="Another learner.", show_default="that of the run")] = None,
    points: Annotated[int, typer.Option("--points", min=1, help="How often, on the way, they are tested.")] = 8,
    data: DataOption = None,
    folder: FolderOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides how the networks begin.")] = 0,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach new networks the lessons of a set (of gtn) as they are meant: once, in order, at their learned rates. Then test them."""
    from condensation.cli.views import teach as schooling

    asked = {
        name.removeprefix("data."): value for name, value in data_options(data, folder, None, None, False).items() if value is not None
    }
    schooling.report(run, schooling.School(networks, network, points, seed, device or "auto"), asked, as_json=as_json)
