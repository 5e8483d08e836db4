"""What ``condense pools`` does and prints."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from condensation.cli.options import OutputOptions
from condensation.cli.views.study import carry_out, end, go_on, print_places, print_rows
from condensation.core.plain import to_dict
from condensation.networks.pool_store import RANDOM
from condensation.report.tables import print_json
from condensation.studies.pools import report as buckets
from condensation.studies.pools.figure import title
from condensation.studies.pools.report import Ablation, write_pools
from condensation.studies.pools.study import POOL, RUNS, PoolsSettings, jobs_of, network_for, pools_in, run_pools


def make_pools(settings: PoolsSettings, out: Path, how: OutputOptions, *, pool_only: bool) -> None:
    """``condense pools``: do what is missing, then print the table. The exit code is 1 if a set failed."""
    settings = replace(settings, compute=settings.compute.resolve())
    failed = carry_out(
        settings.compute,
        lambda watch: run_pools(settings, out, watch, pool_only=pool_only),
        out,
        how,
        "pools",
        lambda: write_pools(settings, out),
    )
    report_pools(out, how, pool_only=pool_only)
    end(failed, len(jobs_of(settings, out)))


def report_pools(folder: Path, how: OutputOptions, *, pool_only: bool = False) -> None:
    """``condense pools FOLDER``: print the table again, from what is there."""
    settings = pools_in(folder)
    found = write_pools(settings, folder)
    if how.as_json:
        return print_json(buckets.as_json(found))
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{escape(title(settings))}[/]")
    head = buckets.columns(found)
    print_rows(screen, head, buckets.lines(found), head[1:])
    for line in buckets.notes(found):
        screen.print(line, highlight=False, markup=False)
    missing = sum(cell.sets - len(cell.values) - len(cell.failed) for cell in found.cells if not cell.empty)
    if missing and not pool_only:
        screen.print(f"{missing} sets are not there yet. Go on: {go_on('pools', folder)}", highlight=False, markup=False)
    if not how.quiet:
        if found.networks:
            screen.print(
                f"Embed with this pool in any run on these images: {_settings_of(settings, folder, found)}", markup=False, highlight=False
            )
        names = {"Picture": buckets.PICTURE, "Images": buckets.IMAGES, "Table": buckets.MARKDOWN, "Runs": RUNS, "Pool": POOL}
        print_places(screen, folder, {name: file for name, file in names.items() if (folder / file).exists()})
    return None


def _settings_of(settings: PoolsSettings, folder: Path, found: Ablation) -> str:
    """What is typed after ``condense run`` to embed with networks of this pool."""
    spec = to_dict(network_for(settings))
    usual = to_dict(type(network_for(settings))()) if spec["name"] == "convnet" else {}
    of_spec = [
        f"method.networks.spec{'.' + key if key != 'name' else ''}={value}" for key, value in spec.items() if usual.get(key) != value
    ]
    words = [
        "method.networks=pool",
        f"method.networks.path={folder / POOL}",
        f"method.networks.bucket={next((name for name, count in found.networks.items() if count), RANDOM)}",
    ]
    return " ".join(map(shlex.quote, [*words, *of_spec]))
