"""What ``condense nas`` does and prints."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from condensation.cli.options import OutputOptions
from condensation.cli.views.study import carry_out, end, go_on, list_jobs, print_places, print_rows
from condensation.report.tables import print_json
from condensation.studies.executors import Processes
from condensation.studies.jobs import Watch
from condensation.studies.nas.proxies import SETS, SearchSettings, sets_of
from condensation.studies.nas.report import MARKDOWN, ON_SCREEN, PICTURE, read_search, write_search
from condensation.studies.nas.study import run_search


def make_nas(settings: SearchSettings, out: Path, how: OutputOptions, workers: int | None) -> None:
    """``condense nas``: do what is missing with so many ``workers``, then print it. The exit code is 1 if something failed."""
    settings = replace(settings, compute=settings.compute.resolve())
    workers = workers or suitable_workers(settings.compute.device)

    def work(watch: Watch) -> dict[str, Any]:
        with ExitStack() as stack:
            if workers == 1:
                return run_search(settings, out, watch)
            threads = max(1, torch.get_num_threads() // workers)
            return run_search(settings, out, watch, stack.enter_context(Processes(workers, threads)), workers)

    failed = carry_out(settings.compute, work, out, how, "nas", lambda: write_search(out))
    report_nas(out, how)
    end(failed, len(sets_of(settings)) + len(read_search(out).names))


def suitable_workers(device: str) -> int:
    """How many processes suit ``device``: on a CPU one for each thread, since small networks gain little by several; on a GPU one."""
    return torch.get_num_threads() if device == "cpu" else 1


def report_nas(folder: Path, how: OutputOptions) -> None:
    """``condense nas FOLDER``: print the search again, from what is there."""
    found = write_search(folder)
    if how.as_json:
        return print_json(found.as_json())
    screen = Console(soft_wrap=True)
    screen.print(f"[bold]{escape(found.title)}[/]")
    print_rows(screen, found.columns[:ON_SCREEN], [line[:ON_SCREEN] for line in found.lines], found.columns[1:])
    for line in found.notes:
        screen.print(line, highlight=False, markup=False)
    left = len(found.names) - len(found.done)
    if left:
        screen.print(
            f"{left} of {len(found.names)} networks are not done yet. Go on: {go_on('nas', folder)}", highlight=False, markup=False
        )
    if not how.quiet:
        print_places(screen, folder, {"Picture": PICTURE, "Table": MARKDOWN, "Sets": SETS})
    return None


def list_nas(settings: SearchSettings, out: Path, how: OutputOptions) -> None:
    """``condense nas --dry-run``: which sets would be made."""
    list_jobs(sets_of(settings), out / SETS, as_json=how.as_json)
