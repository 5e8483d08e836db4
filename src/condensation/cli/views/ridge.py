"""What ``condense ridge`` does and prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from condensation.cli.views.run import INTERRUPTED
from condensation.methods.loop import Stopped
from condensation.report.progress import StopOnSignal, reporter
from condensation.report.tables import print_json, table
from condensation.runs.ridge_saved import KernelSettings, judge_by_kernel


def ridge(settings: KernelSettings, paths: Sequence[Path], *, quiet: bool, as_json: bool) -> None:
    """``condense ridge``."""
    with StopOnSignal() as stop, reporter(Console(stderr=True, soft_wrap=True), quiet or as_json) as shown:
        try:
            scores = judge_by_kernel(settings, paths, stop.after(shown.reading), stop.after(shown.judging))
        except Stopped:
            raise SystemExit(INTERRUPTED) from None
    if as_json:
        return print_json(scores)
    rows = table("trained on", "images", "labels", "kernel", "test accuracy, %", right=("images", "test accuracy, %"))
    for name, score in scores["sets"].items():
        kernel = f"{score['kernel']['name']}, depth {score['kernel']['depth']}"
        rows.add_row(escape(name), f"{score['images']:,}", score["labels"], kernel, f"{score['mean']:.1f}")
    screen = Console(soft_wrap=True)
    screen.print(rows)
    counts = sorted({score["test"]["images"] for score in scores["sets"].values()})
    on = " and ".join(f"{count:,}" for count in counts)
    return screen.print(f"By kernel ridge regression, on {on} test images; nothing is drawn or trained.", highlight=False)
