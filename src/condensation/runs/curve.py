"""Intermediate sets of a run, whose accuracies form a learning curve."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.evaluation.compare import Entry
from condensation.evaluation.scores import Scores
from condensation.methods.step_info import StepInfo
from condensation.runs.files import CURVE_SETS

_NAME = "step {:,}"


def curve_steps(steps: int, points: int) -> list[int]:
    """Return the steps after which intermediate sets are kept: ``points`` at equal distances, from step 0 on, before the last step.

    >>> from condensation.runs.curve import curve_steps
    >>> curve_steps(1000, 4)
    [0, 250, 500, 750]
    """
    return sorted({steps * point // points for point in range(points)}) if steps else []


@dataclass(frozen=True)
class KeepSets:
    """An observer that saves intermediate sets in a run folder."""

    folder: Path
    points: int
    card: Mapping[str, Any]
    writes: bool = True  # False in all processes of a team but one

    def __call__(self, info: StepInfo) -> None:
        if info.step in curve_steps(info.steps, self.points):
            images, sets = info.snapshot().to("cpu"), self.folder / CURVE_SETS
            if self.writes:
                sets.mkdir(exist_ok=True)
                CondensedSet(images, {**self.card, "step": info.step}).save(sets / f"step-{info.step}.safetensors")


def curve_entries(folder: Path, steps: int, points: int) -> Iterator[Entry]:
    """Yield the intermediate sets of a run of ``steps`` as entries of its evaluation; a set drawn from a trained generator has none."""
    for step in curve_steps(steps, points):
        file = folder / CURVE_SETS / f"step-{step}.safetensors"
        if file.exists():
            yield Entry(_NAME.format(step), CondensedSet.load(file).images)


def split_scores(scores: Scores, steps: int, points: int) -> tuple[Scores, Scores]:
    """Return the scores of the set and its baseline, and those of the intermediate sets."""
    names = {_NAME.format(step) for step in curve_steps(steps, points)}
    inside = {name: score for name, score in scores.sets.items() if name in names}
    return replace(scores, sets={name: score for name, score in scores.sets.items() if name not in names}), replace(scores, sets=inside)


def curve_points(curve: Scores) -> list[tuple[int, float]]:
    """Return steps and mean accuracies of the intermediate sets."""
    return [(int(name.removeprefix("step ").replace(",", "")), score.mean) for name, score in curve.sets.items()]
