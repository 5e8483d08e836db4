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
    from condensation.studies.table import RUNS, jobs_of

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
        return studying.list_jobs(jobs_of(settings), out / RUNS, as_json=as_json)
    return studying.make_table(settings, out, show)


@app.command()
def transfer(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER | NAME=VALUE]...",
            help="A matrix to print again; or settings: method.steps=500, evaluation.recipe=paper.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="One that `condense methods` lists.", show_default="dm")] = None,
    learn: Annotated[
        str | None, typer.Option("--learn", help="Networks to learn images on.", show_default="convnet,alexnet,vgg11,resnet18-ap")
    ] = None,
    test: Annotated[str | None, typer.Option("--test", help="Networks to test on.", show_default="convnet,alexnet,vgg11,resnet18")] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", "-i", help="Synthetic images per class.", show_default="10")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Sets learned on each network.", show_default="1")] = None,
    networks: Annotated[int | None, typer.Option("--networks", min=1, help="Tested of each kind, on each set.", show_default="3")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Of each network tested.", show_default="1000")] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Of the method's settings: fast, long, paper.", show_default="fast")
    ] = None,
    folder: FolderOption = None,
    size: SizeOption = None,
    fit: FitOption = None,
    skip_bad: SkipBadOption = False,
    smaller: SmallerOption = None,
    config: ConfigOption = None,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder.", show_default="transfer/DATA-METHOD-ipcN")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the sets to be learned and stop.")] = False,
    checkpoint_every: CheckpointOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Learn sets on some networks and test them on others; random images always stand beside. The same command goes on after a stop."""
    from condensation import studying
    from condensation.naming import called
    from condensation.settings import build
    from condensation.studies.transfer import SETS, TransferSettings, sets_of

    paths, overrides = folder_and_settings(given)
    show = studying.Show(quiet, as_json, checkpoint_every)
    if paths:
        return studying.report_transfer(paths[0], show)
    options = {
        **data_options(data, folder, size, fit, skip_bad),
        "method": method,
        "learn": names(learn),
        "test": names(test),
        "ipc": ipc,
        "seeds": seeds,
        "evaluation.networks": networks,
        "evaluation.recipe.epochs": epochs,
        "preset": preset,
        "smaller": smaller,
        "compute.device": device,
    }
    settings = build(TransferSettings, _content(config, options, overrides))
    source = Path(settings.source).resolve().name or "data"
    out = out or Path("transfer") / f"{source}-{called(str(settings.method_settings['name']))}-ipc{settings.ipc}"
    if dry_run:
        return studying.list_jobs(sets_of(settings), out / SETS, as_json=as_json)
    return studying.make_transfer(settings, out, show)


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


def names(text: str | None) -> list[str] | None:
    """``convnet, vgg11`` as a list."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _table_settings(config: Path | None, options: dict[str, Any], methods: str | None, overrides: list[str]) -> Any:
    """The settings of a table; a file says what options don't."""
    from condensation.settings import build
    from condensation.studies.table import Row, TableSettings, rows_for, with_overrides

    of_file = tuple(build(Row, row) for row in _content(config, {}, []).get("rows", ()))
    rows = of_file if of_file and methods is None else rows_for(names(methods) or ["random", "dm"])
    rows, others = with_overrides(rows, overrides)
    content = {key: value for key, value in _content(config, options, others).items() if key != "rows"}
    return build(TableSettings, content, TableSettings(rows))


def _content(config: Path | None, options: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """As `content_of`; a data set may be given by its name alone."""
    from condensation.settings import merge, put, read

    content = read(config) if config else {}
    for name in ("data", "method"):
        if isinstance(content.get(name), str):
            content = {**content, name: {"source" if name == "data" else "name": content[name]}}
    for name, value in options.items():
        if value is not None:
            content = put(content, name, value)
    for override in overrides:
        content = merge(content, override)
    return content
