"""``condense teach``."""

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.choices import NETWORKS, one_of
from condensation.cli.options import DataOption, DeviceOption, DryRunOption, FolderOption, JsonOption, TrustOption
from condensation.cli.refuse import require_sets

_SHOWN = "that of the run"
_check_network = one_of("network", NETWORKS)


@app.command()
def teach(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run of gtn, or its set.")],
    networks: Annotated[int, typer.Option("--networks", "-n", metavar="N", min=1, help="New networks to train.")] = 5,
    network: Annotated[str | None, typer.Option("--network", help="Another network.", show_default=_SHOWN, callback=_check_network)] = None,
    points: Annotated[int, typer.Option("--points", metavar="N", min=1, help="Tests during training, evenly spaced.")] = 8,
    data: DataOption = None,
    folder: FolderOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the networks' initialization.")] = 0,
    device: DeviceOption = None,
    dry_run: DryRunOption = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train new networks on the curriculum of a gtn set, once, in order and with the learned rates; then test them."""
    require_sets([run])
    from condensation.cli.views import teach as view

    content = {name: value for name, value in (("source", data), ("folder", folder)) if value is not None}
    times = {"networks": networks, "points": points, "seed": seed, "device": device or "auto"}
    view.teach(run, content, network, **times, trust=trust, as_json=as_json, dry_run=dry_run)  # type: ignore[arg-type]
