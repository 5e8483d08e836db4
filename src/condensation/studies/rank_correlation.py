"""Rank correlations with bootstrap intervals, computed as matrix products: a bootstrap sample is a count of each entry.

A thousand samples of 720 networks take a second; as many calls of scipy, which is no dependency, take minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from condensation.core.rng import Rng

REPETITIONS = 1000
LEVEL = 0.95
LEAST = 5  # entries that a coefficient needs


@dataclass(frozen=True)
class Correlation:
    """A coefficient in [-1, 1] and its 95 % interval (percentile bootstrap over the entries)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Agreement:
    """Rank correlations of two lists."""

    count: int  # length of the lists
    spearman: Correlation | None  # None for fewer than five entries, or a list of equal values
    kendall: Correlation | None


def agreement(first: Sequence[float], second: Sequence[float], rng: Rng) -> Agreement:
    """Return Spearman's and Kendall's coefficients of two lists, each with its interval."""
    count = len(first)
    if count < LEAST or len(set(first)) == 1 or len(set(second)) == 1:
        return Agreement(count, None, None)
    drawn = rng.generator().integers(0, count, (REPETITIONS, count))
    counts = np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float64)
    weights = np.concatenate([np.ones((1, count)), counts])
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return Agreement(count, _with_interval(spearman(x, y, weights)), _with_interval(kendall(x, y, weights)))


def spearman(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's rho (m,) of two lists (n,) for each row of counts ``weights`` (m, n): mean ranks for ties, NaN if all are equal."""
    ranks = []
    for numbers in (first, second):
        below = (numbers[:, None] < numbers).astype(np.float64) + 0.5 * (numbers[:, None] == numbers)
        ranks.append(weights @ below)
    total = weights.sum(1, keepdims=True)
    x, y = (rank - (weights * rank).sum(1, keepdims=True) / total for rank in ranks)
    return _ratio((weights * x * y).sum(1), (weights * x**2).sum(1), (weights * y**2).sum(1))


def kendall(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of two lists (n,), as `spearman`."""
    x, y = (np.sign(numbers[:, None] - numbers) for numbers in (first, second))
    product, x_squared, y_squared = (((weights @ pairs) * weights).sum(1) for pairs in (x * y, x**2, y**2))
    return _ratio(product, x_squared, y_squared)


def _ratio(product: np.ndarray, x_squared: np.ndarray, y_squared: np.ndarray) -> np.ndarray:
    spread = np.sqrt(x_squared * y_squared)
    ratio: np.ndarray = np.divide(product, spread, out=np.full_like(product, np.nan), where=spread > 0)
    return ratio


def _with_interval(values: np.ndarray) -> Correlation:
    """Return the first of ``values``, with the interval of the others; NaN are ignored."""
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Correlation(float(values[0]), float(low), float(high))
