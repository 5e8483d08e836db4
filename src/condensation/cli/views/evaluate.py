"""Printed form of ``condense evaluate`` and ``condense ridge``."""

from collections.abc import Sequence
from pathlib import Path

from condensation.cli.options import Output
from condensation.cli.views.compare import print_per_class
from condensation.cli.views.plan import print_times
from condensation.core.progress import Progress
from condensation.core.trust import Trust
from condensation.report.stopping import stoppable
from condensation.report.tables import plain_console, print_json, print_scores, table
from condensation.runs.estimate import training_seconds
from condensation.runs.evaluate_saved import EvaluateSettings, evaluate_saved, planned_trainings
from condensation.runs.ridge_saved import RidgeSettings, planned_regressions, ridge_saved


def evaluate(settings: EvaluateSettings, paths: Sequence[Path], output: Output, trust: Trust, *, per_class: bool = False) -> None:
    """Run ``condense evaluate``."""
    with stoppable(quiet=not output.talks, message=lambda stopped: "Stopped; no accuracy was saved.") as shown:
        scores = evaluate_saved(settings, paths, Progress(reading=shown.reading, evaluating=shown.evaluating), trust)
    if output.as_json:
        return print_json(scores.to_json())
    screen = plain_console()
    print_scores(screen, scores)
    return print_per_class(screen, scores.sets) if per_class else None


def plan(settings: EvaluateSettings, paths: Sequence[Path], output: Output, trust: Trust) -> None:
    """Run ``condense evaluate --dry-run``."""
    planned = planned_trainings(settings, paths, trust)
    times = [training_seconds(training, data, settings.compute) for training, data in planned]
    return print_times([training.text for training, _ in planned], times, output.as_json)


def plan_ridge(settings: RidgeSettings, paths: Sequence[Path], output: Output, trust: Trust) -> None:
    """Run ``condense ridge --dry-run``."""
    planned = planned_regressions(settings, paths, trust)
    return print_times([text for text, _ in planned], [seconds for _, seconds in planned], output.as_json)


def ridge(settings: RidgeSettings, paths: Sequence[Path], output: Output, trust: Trust) -> None:
    """Run ``condense ridge``."""
    with stoppable(quiet=not output.talks) as shown:
        scores = ridge_saved(settings, paths, Progress(reading=shown.reading, evaluating=shown.evaluating), trust)
    if output.as_json:
        return print_json(scores.to_json())
    rows = table("trained on", "images", "labels", "kernel", "test accuracy, %", right=("images", "test accuracy, %"))
    for name, score in scores.sets.items():
        kernel = f"{score.kernel['name']}, depth {score.kernel['depth']}"
        rows.add_row(name, f"{score.images:,}", score.labels, kernel, f"{score.mean:.1f}")
    screen = plain_console()
    screen.print(rows)
    counts = sorted({score.test.images for score in scores.sets.values()})
    tested = " and ".join(f"{count:,}" for count in counts)
    return screen.print(f"Kernel ridge regression, {tested} test images; no random numbers, no training.")
