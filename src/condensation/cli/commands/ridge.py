"""``condense ridge``."""

from __future__ import annotations

from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.choices import KERNELS, one_of
from condensation.cli.groups import grouped
from condensation.cli.options import (
    ConfigOption,
    DataOption,
    DeviceOption,
    FolderOption,
    PrintConfig,
    RandomOption,
    ResultOutput,
    SeedOption,
    SetsAndOverrides,
    content_of,
    data_options,
    print_settings,
    split_arguments,
)


@app.command()
@grouped
def ridge(
    sets: SetsAndOverrides = None,
    data: DataOption = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            "-k",
            help="Tangent kernel: fc, conv or conv-pool.",
            show_default="that of the set, else fc",
            callback=one_of("tangent kernel", KERNELS, "kernel"),
        ),
    ] = None,
    random: RandomOption = 0,
    folder: FolderOption = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    print_config: PrintConfig = False,
    output: ResultOutput = ResultOutput(),
) -> None:
    """Evaluate sets by kernel ridge regression with an NTK, the limit of infinitely wide networks; nothing is trained."""
    from condensation.cli.views import ridge as view
    from condensation.config.build import from_dict
    from condensation.runs.ridge_saved import RidgeSettings

    paths, overrides = split_arguments(sets)
    options = {**data_options(data, folder), "kernel": kernel, "random": random or None, "seed": seed, "compute.device": device}
    settings = from_dict(RidgeSettings, content_of(config, options, overrides))
    if print_config:
        return print_settings(settings)
    return view.ridge(settings, paths, output)
