"""``condense table``, ``condense transfer`` and ``condense theory``: studies of many runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.cli.app import app
from condensation.cli.groups import grouped
from condensation.cli.options import (
    ConfigOption,
    DataOption,
    DataOptions,
    DeviceOption,
    FolderOption,
    JsonOption,
    MethodPresetOption,
    NoProgressOption,
    OutputOptions,
    SeedOption,
    SizeOption,
    content_of,
    data_options,
    folder_and_settings,
    last_name,
    names,
    numbers,
)

NetworksOption = Annotated[int | None, typer.Option("--networks", min=1, help="Networks that judge each set.", show_default="20")]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="Of each network, by the published recipe.", show_default="1000")]


@app.command()
@grouped
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
        str | None,
        typer.Option(
            "--preset",
            help="Of the methods' settings: fast, long, best, paper. Or a whole table: supplement, supplement-paper.",
            show_default="paper",
        ),
    ] = None,
    reading: DataOptions = DataOptions(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder of the table.", show_default="tables/DATA")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the jobs and stop.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Print the table from what is there, without running anything.")] = False,
    showing: OutputOptions = OutputOptions(),
) -> None:
    """Make the papers' table: methods x ipc x seeds, beside the published numbers. The same command goes on after a stop."""
    from condensation.cli.views import study as studying
    from condensation.studies.table.study import RUNS, jobs_of
    from condensation.studies.table.supplement import TABLES, missing

    paths, overrides = folder_and_settings(given)
    show = showing
    if paths:
        return studying.report_table(paths[0], show)
    options = {
        **reading.settings(data),
        "ipc": numbers(ipc),
        "seeds": seeds,
        "networks": networks,
        "epochs": epochs,
        "preset": preset,
    }
    settings = _table_settings(reading.config, options, methods, overrides)
    out = out or Path("tables") / last_name(settings.source if preset not in TABLES else f"{last_name(settings.source)}-{preset}")
    if preset in TABLES and methods is None and not showing.quiet and missing():
        typer.echo(f"Of no method here, so their rows are left out: {', '.join(missing())}.", err=True)
    if report:
        return studying.report_table(out, show)
    if dry_run:
        return studying.list_jobs(jobs_of(settings), out / RUNS, as_json=showing.as_json)
    return studying.make_table(settings, out, show)


@app.command()
@grouped
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
    preset: MethodPresetOption = None,
    reading: DataOptions = DataOptions(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder.", show_default="transfer/DATA-METHOD-ipcN")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the sets to be learned and stop.")] = False,
    showing: OutputOptions = OutputOptions(),
) -> None:
    """Learn sets on some networks and test them on others; random images always stand beside. The same command goes on after a stop."""
    from condensation.cli.views import study as studying
    from condensation.config.build import from_dict
    from condensation.core.user_code import short_name
    from condensation.studies.transfer.study import SETS, TransferSettings, sets_of

    paths, overrides = folder_and_settings(given)
    show = showing
    if paths:
        return studying.report_transfer(paths[0], show)
    options = {
        **reading.settings(data),
        "method": method,
        "learn": names(learn),
        "test": names(test),
        "ipc": ipc,
        "seeds": seeds,
        "evaluation.networks": networks,
        "evaluation.recipe.epochs": epochs,
        "preset": preset,
    }
    settings = from_dict(TransferSettings, content_of(reading.config, options, overrides))
    out = out or Path("transfer") / f"{last_name(settings.source)}-{short_name(str(settings.method_settings['name']))}-ipc{settings.ipc}"
    if dry_run:
        return studying.list_jobs(sets_of(settings), out / SETS, as_json=showing.as_json)
    return studying.make_transfer(settings, out, show)


@app.command()
def theory(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER | NAME=VALUE]...",
            help="A measurement to print again; or settings: epochs=0,1,3,10 pairs=30 ipc=10 network.width=64.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    network: Annotated[
        str | None, typer.Option("--network", help="One that `condense networks` lists.", show_default="a ConvNet of width 32")
    ] = None,
    networks: Annotated[int | None, typer.Option("--networks", min=1, help="Drawn, trained and measured.", show_default="2")] = None,
    folder: FolderOption = None,
    size: SizeOption = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder.", show_default="theory/DATA")] = None,
    quiet: NoProgressOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how near matching last-layer gradients comes to matching features, before and during training."""
    from condensation.cli.views import study as studying
    from condensation.config.build import from_dict
    from condensation.studies.theory.study import TheorySettings

    paths, overrides = folder_and_settings(given)
    show = OutputOptions(quiet=quiet, as_json=as_json)
    if paths:
        return studying.report_theory(paths[0], show)
    options = {**data_options(data, folder, size, None, False), "network": network, "networks": networks, "seed": seed}
    growing = [one.replace("=", "=[", 1) + "]" if one.startswith("epochs=") and "[" not in one else one for one in overrides]
    settings = from_dict(TheorySettings, content_of(config, {**options, "compute.device": device}, growing), TheorySettings())
    out = out or Path("theory") / last_name(settings.data.source)
    return studying.make_theory(settings, out, show)


def _table_settings(config: Path | None, options: dict[str, Any], methods: str | None, overrides: list[str]) -> Any:
    """The settings of a table; a file says what options don't."""
    from condensation.config.build import from_dict
    from condensation.studies.table.study import Row, TableSettings, rows_for, with_overrides
    from condensation.studies.table.supplement import TABLES, table_named

    whole = table_named(options["preset"], names(methods)) if options["preset"] in TABLES else None
    of_file = tuple(from_dict(Row, row) for row in content_of(config, {}, []).get("rows", ()))
    if whole:
        rows, options = whole.rows, {**options, "preset": None}
    else:
        rows = of_file if of_file and methods is None else rows_for(names(methods) or ["random", "dm"])
    rows, others = with_overrides(rows, overrides)
    content = {key: value for key, value in content_of(config, options, others).items() if key != "rows"}
    return from_dict(TableSettings, content, replace(whole or TableSettings(rows), rows=rows))
