"""Scores that runs and evaluations have stored, side by side; nothing is run and torch is not imported for run folders."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.plain import first_difference
from condensation.core.storage import read_json
from condensation.evaluation.difference import Difference, welch
from condensation.evaluation.scores import Scores, SetScore
from condensation.runs.files import SCORES, SETTINGS

# Settings of the data that do not change the test images as a network sees them, apart from the preprocessing of the set.
NEUTRAL = ("folder", "preprocessing", "flip_invariant", "skip_bad")


@dataclass(frozen=True)
class StoredScore:
    """The score of a set, and how it was measured."""

    path: Path
    name: str
    """Name of the set in its file, such as that of its method."""
    score: SetScore
    protocol: Mapping[str, Any]
    """Test images, network and recipe, as plain values."""

    @property
    def numbers(self) -> list[float]:
        """Independent accuracies: the means of several sets, else the accuracies of the networks of one set."""
        values = self.score.values
        return [sum(row) / len(row) for row in values] if len(values) > 1 else list(values[0]) if values else [self.score.mean]


@dataclass(frozen=True)
class ComparedScore:
    """A score and its difference to the first one."""

    stored: StoredScore
    difference: Difference | None
    """None for the first score, and for one that was measured differently."""
    measured_differently: str = ""
    """First difference of the protocols; empty if there is none."""


def stored_scores(path: Path) -> list[StoredScore]:
    """Return the scores at ``path``: a run folder, or the JSON of an evaluation. Raise CondensationError if there are none."""
    file = path / SCORES if path.is_dir() else path
    if not file.exists():
        missing = f"{path} holds no scores" if path.is_dir() else f"There is no file {path}"
        hint = "Name run folders that were evaluated, or files with the JSON of an evaluation."
        raise CondensationError(f"{missing}.", hint=hint)
    scores = Scores.read(file)
    common: dict[str, Any] = {"evaluation": {**scores.evaluation, "networks": None}}
    settings: Any = {}
    if path.is_dir():
        with suppress(CondensationError):
            settings = read_json(path / SETTINGS).get("settings", {})
    data = settings.get("data") if isinstance(settings, Mapping) else None
    common["data"] = {key: value for key, value in data.items() if key not in NEUTRAL} if isinstance(data, Mapping) else None
    return [StoredScore(path, name, score, _protocol(common, scores, score)) for name, score in scores.sets.items()]


def compared(paths: Sequence[Path], every: bool = False) -> list[ComparedScore]:
    """Return the first score of each of ``paths``, or ``every`` score, with the difference to the first of all."""
    found = [stored for path in paths for stored in stored_scores(path)[: None if every else 1]]
    first, rows = found[0], [ComparedScore(found[0], None)]
    for stored in found[1:]:
        differently = _first_difference(first.protocol, stored.protocol)
        difference = None if differently else welch(stored.numbers, first.numbers)
        rows.append(ComparedScore(stored, difference, differently))
    return rows


def _protocol(common: Mapping[str, Any], scores: Scores, score: SetScore) -> dict[str, Any]:
    evaluation = {**common["evaluation"], "recipe": score.recipe or common["evaluation"].get("recipe")}
    test = score.test or scores.test
    images = {"test set": test.name, "test images": test.images} if test else {}
    return {**images, "evaluation": json.loads(json.dumps(evaluation)), "data": common["data"]}


def _first_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Return the first difference of two protocols; data settings count only where both files have them."""
    if first["data"] is None or second["data"] is None:
        first, second = {**first, "data": None}, {**second, "data": None}
    return first_difference(first, second) or ""
