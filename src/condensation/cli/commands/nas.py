"""``condense nas``: a search for architectures by condensed sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from condensation.cli.app import app
from condensation.cli.groups import grouped
from condensation.cli.options import (
    DataOption,
    DataOptions,
    MethodsPresetOption,
    OutputOptions,
    SeedOption,
    content_of,
    folder_and_settings,
    last_name,
    names,
)


@app.command()
@grouped
def nas(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER | NAME=VALUE]...",
            help="A search to print again; or settings: dm.steps=500 of a method, recipe.lr=0.02 of training.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    proxies: Annotated[
        str | None,
        typer.Option("--proxies", help="Methods that make sets, and early-stopping.", show_default="random,herding,dsa,dm,early-stopping"),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option("--space", help="A TOML file of the networks: width, depth, norm, activation, pooling.", show_default="720"),
    ] = None,
    subset: Annotated[int | None, typer.Option("--subset", min=1, help="Only so many, a stratified sample.", show_default="all")] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", "-i", help="Images per class of each set.", show_default="50")] = None,
    trainings: Annotated[int | None, typer.Option("--trainings", min=1, help="Of each network on each set.", show_default="5")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Of a training on a set.", show_default="200")] = None,
    whole_epochs: Annotated[int | None, typer.Option("--whole-epochs", min=1, help="On all images.", show_default="100")] = None,
    top: Annotated[float | None, typer.Option("--top", help="The part of networks looked at apart.", show_default="0.05")] = None,
    preset: MethodsPresetOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that train.", show_default="one a thread; on a GPU 1")
    ] = None,
    seed: SeedOption = None,
    reading: DataOptions = DataOptions(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder.", show_default="nas/DATA-ipcN")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the sets to be made and stop.")] = False,
    showing: OutputOptions = OutputOptions(),
) -> None:
    """Train a space of networks on small sets and on all images: do the sets find the best ones? The same command goes on after a stop."""
    from condensation.cli.views import nas as searching

    paths, overrides = folder_and_settings(given)
    show = showing
    if paths:
        return searching.report_nas(paths[0], show)
    options = {
        **reading.settings(data),
        "subset": subset,
        "ipc": ipc,
        "trainings": trainings,
        "recipe.epochs": epochs,
        "whole_epochs": whole_epochs,
        "top": top,
        "preset": preset,
        "seed": seed,
    }
    settings = _settings(reading.config, options, proxies, space, overrides)
    out = out or Path("nas") / f"{last_name(settings.source)}-ipc{settings.ipc}"
    if dry_run:
        return searching.list_nas(settings, out, show)
    return searching.make_nas(settings, out, show, workers)


def _settings(config: Path | None, options: dict[str, Any], proxies: str | None, space: Path | None, overrides: list[str]) -> Any:
    """The settings of a search; a file says what options don't."""
    from condensation.config.build import from_dict
    from condensation.config.toml import read_settings
    from condensation.studies.nas.proxies import PROXIES, SearchSettings, proxies_for
    from condensation.studies.table.study import NamedMethod, with_overrides

    given = content_of(config, {}, []).get("proxies", ())
    listed = names(given) or () if isinstance(given, str) else given
    of_file = tuple(proxies_for([one])[0] if isinstance(one, str) else from_dict(NamedMethod, one) for one in listed)
    chosen = of_file if of_file and proxies is None else proxies_for(names(proxies) or PROXIES)
    chosen, others = with_overrides(chosen, overrides, SearchSettings, "proxy and no setting of a search")
    content = {key: value for key, value in content_of(config, options, others).items() if key != "proxies"}
    if space is not None:
        content["space"] = read_settings(space)
    return from_dict(SearchSettings, content, SearchSettings(chosen))
