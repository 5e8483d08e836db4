"""Likelihood-ratio attack (LiRA; Carlini et al., S&P 2022) from the scores of shadow pipelines, and its error rates."""

from dataclasses import dataclass

import numpy as np

from condensation.studies.privacy.intervals import clopper_pearson

LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Rate:
    """True-positive rate at a false-positive rate."""

    value: float
    low: float
    """Lower end of the Clopper-Pearson interval (95 %), which takes all scores to be independent."""
    high: float
    resolved: bool
    """True if the false-positive rate is at least one non-member, so that it can be reached."""


def lira_scores(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return the log-likelihood ratio that each image was a member, for each shadow as target: (shadows, n), NaN where it is unknown.

    ``values`` and ``members`` (bool) are (shadows, n). The Gaussians of an image come from the other shadows: medians with and without
    the image, and variances pooled over all images, as suits few shadows. An image needs one other shadow with and one without it.
    """
    shadows, count = values.shape
    scores = np.full((shadows, count), np.nan)
    for target in range(shadows):
        others, inside = np.delete(values, target, 0), np.delete(members, target, 0)
        within, without = np.where(inside, others, np.nan), np.where(inside, np.nan, others)
        known = inside.any(0) & (~inside).any(0)
        if not known.any():
            continue
        centers = [np.nanmedian(part[:, known], 0) for part in (within, without)]
        ratios = []
        for part, center in zip((within, without), centers, strict=True):
            residuals = part[:, known] - center
            degrees = max(1, int(np.isfinite(residuals).sum()) - residuals.shape[1])  # a median per image
            spread = max(LEAST_SPREAD, float(np.sqrt(np.nansum(residuals**2) / degrees)))
            ratios.append(-((values[target, known] - center) ** 2) / (2 * spread**2) - np.log(spread))
        scores[target, known] = ratios[0] - ratios[1]
    return scores


def roc(scores: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false-positive and true-positive rates of all thresholds, ascending, for scores (n,) and members (n,)."""
    order = np.argsort(-scores, kind="stable")
    ranked, inside = scores[order], members[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores share a threshold
    true, false = np.cumsum(inside)[last], np.cumsum(~inside)[last]
    return np.insert(false / max(1, (~inside).sum()), 0, 0.0), np.insert(true / max(1, inside.sum()), 0, 0.0)


def auc(scores: np.ndarray, members: np.ndarray) -> float:
    """Return the area under the ROC curve: 0.5 for guessing."""
    false, true = roc(scores, members)
    return float(np.trapezoid(true, false))


def rate_at(scores: np.ndarray, members: np.ndarray, false_rate: float) -> Rate:
    """Return the true-positive rate at a false-positive rate of at most ``false_rate``, with its interval."""
    false, true = roc(scores, members)
    value = float(true[np.flatnonzero(false <= false_rate)[-1]])
    positives, negatives = int(members.sum()), int((~members).sum())
    low, high = clopper_pearson(round(value * positives), positives)
    return Rate(value, low, high, negatives * false_rate >= 1)
