"""``condense ridge``: sets judged without training a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.options import (
    ConfigOption,
    DataOption,
    DeviceOption,
    FolderOption,
    JsonOption,
    PrintConfig,
    QuietOption,
    SeedOption,
    content_of,
    data_options,
    print_settings,
)


@app.command()
def ridge(
    sets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SET | NAME=VALUE]...", help="Run folders or set files, and settings.", show_default=False),
    ] = None,
    data: DataOption = None,
    kernel: Annotated[
        str | None, typer.Option("--kernel", "-k", help="fc, conv or conv-pool.", show_default="as the set was learned, else fc")
    ] = None,
    random: Annotated[int, typer.Option("--random", help="Judge this many random real images a class as well.", min=0)] = 0,
    folder: FolderOption = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    print_config: PrintConfig = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge sets by kernel ridge regression: what an infinitely wide network, trained on them, gets right."""
    from condensation.cli.views import ridge as regressing
    from condensation.config.build import from_dict
    from condensation.runs.ridge_saved import KernelSettings

    paths = [one for one in sets or [] if "=" not in one or Path(one).exists()]
    overrides = [one for one in sets or [] if one not in paths]
    options = {
        **data_options(data, folder, None, None, False),
        "kernel": kernel,
        "random": random or None,
        "seed": seed,
        "compute.device": device,
    }
    settings = from_dict(KernelSettings, content_of(config, options, overrides))
    if print_config:
        return print_settings(settings)
    return regressing.ridge(settings, [Path(path) for path in paths], quiet=quiet, as_json=as_json)
