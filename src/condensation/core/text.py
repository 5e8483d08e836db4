"""Numbers as people are told them: counts with their nouns, accuracies with their deviation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def counted(number: int, noun: str) -> str:
    """``1 epoch``, ``1,000 epochs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def accuracy(mean: float, deviation: float, count: int) -> str:
    """``49.1 ± 0.4``; of a single number ``49.1``, since it deviates from nothing."""
    return f"{mean:.1f} ± {deviation:.1f}" if count != 1 else f"{mean:.1f}"


def accuracy_of(score: Mapping[str, Any]) -> str:
    """`accuracy` of what `condensation.evaluation.evaluate.Accuracies.summary` gave."""
    return accuracy(score["mean"], score["deviation"], score.get("count", 0))
