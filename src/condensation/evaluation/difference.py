"""The difference of two mean accuracies with its confidence interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A difference of two means in percentage points, and its 95 % interval; None if a mean is that of a single number."""

    value: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:+.1f}"
        return f"{self.value:+.1f} ± {(self.interval[1] - self.interval[0]) / 2:.1f}"

    @property
    def is_significant(self) -> bool:
        """True if the interval excludes 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Return the mean of ``first`` minus that of ``second``, with the interval of Welch's t test for unequal variances."""
    means = [sum(values) / len(values) for values in (first, second)]
    value = means[0] - means[1]
    if min(len(first), len(second)) < 2:
        return Difference(value, None)
    pairs = zip((first, second), means, strict=True)
    errors = [sum((each - mean) ** 2 for each in values) / (len(values) - 1) / len(values) for values, mean in pairs]
    total = sum(errors)
    if not total:
        return Difference(value, (value, value))
    from scipy.special import stdtrit  # slow to import

    freedom = total**2 / sum(error**2 / (len(values) - 1) for error, values in zip(errors, (first, second), strict=True))
    margin = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(total)
    return Difference(value, (value - margin, value + margin))
