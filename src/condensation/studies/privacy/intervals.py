"""Confidence intervals of proportions."""

from scipy.stats import beta


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a proportion of ``count`` in ``total`` (Clopper & Pearson, 1934); (0, 1) for no trials.

    >>> from condensation.studies.privacy.intervals import clopper_pearson
    >>> [round(end, 3) for end in clopper_pearson(0, 100)]
    [0.0, 0.036]
    """
    if not total:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, total - count + 1))
    high = 1.0 if count == total else float(beta.ppf(1 - tail, count + 1, total - count))
    return low, high
