"""Printed form of ``condense evaluate``."""

from collections.abc import Sequence
from pathlib import Path

from condensation.cli.options import Output
from condensation.cli.views.stopping import stoppable
from condensation.core.progress import Progress
from condensation.report.tables import plain_console, print_json, print_scores
from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_saved


def evaluate(settings: EvaluateSettings, paths: Sequence[Path], output: Output) -> None:
    """Run ``condense evaluate``."""
    with stoppable(quiet=not output.talks, message=lambda stopped: "Stopped; no accuracy was saved.") as shown:
        scores = evaluate_saved(settings, paths, Progress(shown.reading, shown.evaluating))
    return print_json(scores.to_json()) if output.as_json else print_scores(plain_console(), scores)
