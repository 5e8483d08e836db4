"""Formatting of counts with their nouns, and of accuracies with their standard deviation."""

from collections.abc import Mapping
from typing import Any


def counted(number: int, noun: str) -> str:
    """Return the number with its noun: ``1 epoch``, ``1,000 epochs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def accuracy(mean: float, deviation: float, count: int) -> str:
    """Return ``49.1 ± 0.4``; ``49.1`` for a single network, which has no deviation."""
    return f"{mean:.1f} ± {deviation:.1f}" if count != 1 else f"{mean:.1f}"


def accuracy_of(score: Mapping[str, Any]) -> str:
    """Return the `accuracy` of a saved score, with ``mean``, ``deviation`` and ``count``."""
    return accuracy(score["mean"], score["deviation"], score.get("count", 0))
