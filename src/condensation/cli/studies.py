"""``condense table``: studies of many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.cli.app import app
from condensation.cli.options import (
    CheckpointOption,
    ConfigOption,
    DataOption,
    DeviceOption,
    FitOption,
    FolderOption,
    JsonOption,
    QuietOption,
    SizeOption,
    SkipBadOption,
    SmallerOption,
    data_options,
)
from condensation.errors import CondensationError

NetworksOption = Annotated[int | None, typer.Option("--networks", min=1, help="Networks that judge each set.", show_default="20")]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="Of each network, by the published recipe.", show_default="1000")]


@app.command()
def table(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER | NAME=VALUE]...",
            help="A table to print again; or settings: dm.steps=500 of a method, evaluation.recipe.lr=0.02 of judging.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    methods: Annotated[
        str | None, typer.Option("--methods", "-m", help="Names that `condense methods` lists.", show_default="random,dm")
    ] = None,
    ipc: Annotated[str | None, typer.Option("--ipc", "-i", help="Images per class.", show_default="1,10,50")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Sets of each method and ipc.", show_default="5")] = None,
    networks: NetworksOption = None,
    epochs: EpochsOption = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Of the methods' settings: fast, long, paper.", show_default="paper")
    ] = None,
    folder: FolderOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    skip_bad: SkipBadOption = False,
    smaller: SmallerOption = None,
    config: ConfigOption = None,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder of the table.", show_default="tables/DATA")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the jobs and stop.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Print the table from what is there, without running anything.")] = False,
    checkpoint_every: CheckpointOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the papers' table: methods x ipc x seeds, beside the published numbers. The same command goes on after a stop."""
    from condensation import studying

    paths, overrides = folder_and_settings(given)
    show = studying.Show(quiet, as_json, checkpoint_every)
    if paths:
        return studying.report_table(paths[0], show)
    options = {
        **data_options(data, folder, size, fit, skip_bad),
        "ipc": numbers(ipc),
        "seeds": seeds,
        "networks": networks,
        "epochs": epochs,
        "preset": preset,
        "smaller": smaller,
        "compute.device": device,
    }
    settings = _table_settings(config, options, methods, overrides)
    out = out or Path("tables") / (Path(settings.source).resolve().name or "data")
    if report:
        return studying.report_table(out, show)
    if dry_run:
        return studying.list_jobs(settings, out, as_json=as_json)
    return studying.make_table(settings, out, show)


def folder_and_settings(given: list[str] | None) -> tuple[list[Path], list[str]]:
    """What was named: a folder of a study, and overrides.

    Raises:
        CondensationError: if both were given, or more than one folder.
    """
    paths = [Path(one) for one in given or [] if "=" not in one or Path(one).exists()]
    overrides = [one for one in given or [] if Path(one) not in paths]
    if len(paths) > 1 or (paths and overrides):
        raise CondensationError(f"{paths[0]} is to be printed again, and that is all.\nLeave the rest out, or name the folder with --out.")
    return paths, overrides


def numbers(text: str | None) -> list[int] | None:
    """``1,10,50`` as numbers.

    Raises:
        CondensationError: if it is anything else.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise CondensationError(f"--ipc is {text!r}; it must be whole numbers from 1, for example 1,10,50.")
    return [int(part) for part in parts]


def _table_settings(config: Path | None, options: dict[str, Any], methods: str | None, overrides: list[str]) -> Any:
    """The settings of a table; a file says what options don't."""
    from condensation.settings import build, merge, put, read
    from condensation.studies.table import Row, TableSettings, rows_for, with_overrides

    content = read(config) if config else {}
    if isinstance(content.get("data"), str):
        content = {**content, "data": {"source": content["data"]}}
    of_file = tuple(build(Row, row) for row in content.get("rows", ()))
    rows = of_file if of_file and methods is None else rows_for([name.strip() for name in (methods or "random,dm").split(",")])
    rows, others = with_overrides(rows, overrides)
    for name, value in options.items():
        if value is not None:
            content = put(content, name, value)
    for override in others:
        content = merge(content, override)
    return build(TableSettings, {key: value for key, value in content.items() if key != "rows"}, TableSettings(rows))
