"""``condense pools``: networks of a pool, sorted by accuracy, as the source of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condensation.cli.app import app
from condensation.cli.groups import grouped
from condensation.cli.options import (
    DataOption,
    DataOptions,
    MethodPresetOption,
    OutputOptions,
    content_of,
    folder_and_settings,
    last_name,
    names,
    numbers,
)


@app.command()
@grouped
def pools(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER | NAME=VALUE]...",
            help="A comparison to print again; or settings: method.steps=500, pool.recipe.lr=0.02, evaluation.recipe=paper.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="One that draws networks in its steps.", show_default="dm")] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="Of the pool: one that `condense networks` lists.", show_default="the method's")
    ] = None,
    pool: Annotated[int | None, typer.Option("--pool", min=1, help="Networks trained for the pool.", show_default="20")] = None,
    pool_epochs: Annotated[int | None, typer.Option("--pool-epochs", min=1, help="Of training each of them.", show_default="10")] = None,
    bounds: Annotated[
        str | None,
        typer.Option("--bounds", help="Percentages that part the buckets of the pool.", show_default="10,20,30,40,50,60,70"),
    ] = None,
    buckets: Annotated[
        str | None, typer.Option("--buckets", help="Which are compared: random, 20-30, 70+, all.", show_default="every one")
    ] = None,
    ipc: Annotated[str | None, typer.Option("--ipc", "-i", help="Images per class.", show_default="10")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Sets learned on each bucket at each ipc.", show_default="1")] = None,
    networks: Annotated[int | None, typer.Option("--networks", min=1, help="That judge each set.", show_default="3")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Of each network that judges.", show_default="1000")] = None,
    preset: MethodPresetOption = None,
    reading: DataOptions = DataOptions(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder.", show_default="pools/DATA")] = None,
    pool_only: Annotated[bool, typer.Option("--pool-only", help="Make the pool and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the sets to be learned and stop.")] = False,
    showing: OutputOptions = OutputOptions(),
) -> None:
    """Train a pool of networks, sort it by validation accuracy, and learn a set on each bucket. The same command goes on after a stop."""
    from condensation.cli.views import pools as studying_pools
    from condensation.cli.views import study as studying
    from condensation.config.build import from_dict
    from condensation.studies.pools.study import RUNS, PoolsSettings, jobs_of

    paths, overrides = folder_and_settings(given)
    show = showing
    if paths:
        return studying_pools.report_pools(paths[0], show)
    options = {
        **reading.settings(data),
        "method": method,
        "network": network,
        "pool.networks": pool,
        "pool.recipe.epochs": pool_epochs,
        "pool.bounds": numbers(bounds, "--bounds"),
        "buckets": names(buckets),
        "ipc": numbers(ipc),
        "seeds": seeds,
        "evaluation.networks": networks,
        "evaluation.recipe.epochs": epochs,
        "preset": preset,
    }
    settings = from_dict(PoolsSettings, content_of(reading.config, options, overrides), PoolsSettings())
    out = out or Path("pools") / last_name(settings.source)
    if dry_run:
        return studying.list_jobs(jobs_of(settings, out), out / RUNS, as_json=showing.as_json)
    return studying_pools.make_pools(settings, out, show, pool_only=pool_only)
