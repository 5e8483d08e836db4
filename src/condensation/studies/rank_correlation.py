"""How alike two lists of numbers put the same things in order, with what chance leaves open.

Written here and not taken from scipy, which is no dependency of the package: a bootstrap repeats things, which is to count
them more than once, and with counts both coefficients are products of matrices. A thousand repetitions of 720 networks take
a second so, where as many calls take minutes. The tests hold every number to scipy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from condensation.core.rng import Rng

REPETITIONS = 1000
LEVEL = 0.95
LEAST = 5  # things, below which a coefficient says nothing


@dataclass(frozen=True)
class Correlation:
    """A coefficient in [-1, 1], and the interval that holds 95 % of it when the things are drawn again (percentile bootstrap)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Agreement:
    """How alike two lists rank the same things."""

    count: int
    spearman: Correlation | None  # None: of fewer than five things, or where one list has one value alone
    kendall: Correlation | None


def agreement(first: Sequence[float], second: Sequence[float], rng: Rng) -> Agreement:
    """Spearman's and Kendall's coefficient of two lists of numbers, each with its interval."""
    count = len(first)
    if count < LEAST or len(set(first)) == 1 or len(set(second)) == 1:
        return Agreement(count, None, None)
    drawn = rng.generator().integers(0, count, (REPETITIONS, count))
    counts = np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float64)
    weights = np.concatenate([np.ones((1, count)), counts])
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return Agreement(count, _interval(spearman(one, other, weights)), _interval(kendall(one, other, weights)))


def spearman(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's rho of two lists (n,), equals sharing their mean rank, for each row of ``weights`` (m, n): how often each is there.

    (m,); not a number where all that is there is equal.
    """
    ranks = []
    for numbers in (first, second):
        below = (numbers[:, None] < numbers).astype(np.float64) + 0.5 * (numbers[:, None] == numbers)
        ranks.append(weights @ below)
    total = weights.sum(1, keepdims=True)
    one, other = (rank - (weights * rank).sum(1, keepdims=True) / total for rank in ranks)
    return _ratio((weights * one * other).sum(1), (weights * one**2).sum(1), (weights * other**2).sum(1))


def kendall(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of two lists (n,), as `spearman`."""
    one, other = (np.sign(numbers[:, None] - numbers) for numbers in (first, second))
    together, apart, others = (((weights @ pairs) * weights).sum(1) for pairs in (one * other, one**2, other**2))
    return _ratio(together, apart, others)


def _ratio(together: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    spread = np.sqrt(one * other)
    ratio: np.ndarray = np.divide(together, spread, out=np.full_like(together, np.nan), where=spread > 0)
    return ratio


def _interval(values: np.ndarray) -> Correlation:
    """Of the lists themselves, which come first, and of their repetitions; one that has no coefficient is left out."""
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Correlation(float(values[0]), float(low), float(high))
