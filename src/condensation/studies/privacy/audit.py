"""White-box audit of differential privacy: how well the noisy sums tell whether a canary image was among the real ones."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from condensation.core.compute import Compute
from condensation.core.errors import MissingExtra
from condensation.core.images import ImageSet
from condensation.matching.clipped_sums import PublicMap, clipped_class_sums, in_units
from condensation.methods.dm import DM
from condensation.methods.public_draws import PublicDraws
from condensation.methods.release import Release
from condensation.methods.released_images import ReleasedImages
from condensation.studies.privacy.intervals import clopper_pearson

CONFIDENCE = 0.9999  # that a bound holds; a correct mechanism fails the audit once in 20,000 times
MARGIN = float(norm.ppf(CONFIDENCE))  # standard errors below a measured shift at which its bound is


@dataclass(frozen=True)
class Audit:
    """Result of an audit: the epsilon of the mechanism as it is built, measured and bounded from below."""

    claimed: float
    """Epsilon of the settings."""
    measured: float
    """Epsilon of the shift of the statistic as it was measured; by chance, it may be above that of the mechanism."""
    recovered: float
    """Lower bound from the shift of the statistic in standard deviations, which takes its noise to be Gaussian."""
    at_least: float
    """Lower bound from counts alone, by the best threshold; it cannot exceed about log(trials)."""
    trials: int
    """Releases with the canary, and as many without it."""

    @property
    def passed(self) -> bool:
        """True if no bound contradicts the claim."""
        return max(self.recovered, self.at_least) <= self.claimed


def audit(method: DM, real: ImageSet, canary: ImageSet, *, trials: int = 1000, views: int = 8, seed: int = 0) -> Audit:
    """Audit the releases of ``method`` by a ``canary``, one image of a class of ``real``.

    ``trials`` releases are made with and without the canary. The attacker knows all other images, networks and augmentations, sees each
    target of the steps ``views`` times, and sums their inner products with the embeddings of the canary. Raise CondensationError if
    the settings exclude privacy.
    """
    assert method.privacy is not None
    directions = canary_embeddings(method, canary, real, seed)
    row = real.classes.index(canary.classes[0])
    both = real.concat(canary)
    without, present = (
        np.array([_statistic(method, images, directions, row, views, seed) for _ in range(trials)]) for images in (real, both)
    )
    delta, epsilon = method.privacy.delta, method.privacy.epsilon
    measured, bound = _epsilon_of_shift(without, present, delta, margin=0.0), _epsilon_of_shift(without, present, delta)
    return Audit(epsilon, measured, bound, _epsilon_of_counts(without, present, delta), trials)


def canary_embeddings(method: DM, canary: ImageSet, real: ImageSet, seed: int) -> Tensor:
    """Return the clipped embedding of the canary by each network of the releases of ``seed``, (networks, dims)."""
    assert method.privacy is not None
    public = PublicDraws(method, real, seed, Compute(device="cpu", precision="float32"))
    release_center = Release.of(method, real, seed).centers if method.privacy.center else None
    embeddings = []
    for number in range(method.privacy.networks):
        transform = public.draw(number, real)
        row = real.classes.index(canary.classes[0])
        of_class = None if transform is None else lambda images, rows, transform=transform, row=row: transform(images, rows + row)
        public_map = PublicMap(None if release_center is None else release_center[number], public.projection)
        sums = clipped_class_sums(public.network.embed, canary, of_class, public_map, method.privacy.clip, 1)
        embeddings.append(in_units(sums, method.privacy.clip)[0])
    return torch.stack(embeddings)


def _statistic(method: DM, real: ImageSet, directions: Tensor, row: int, views: int, seed: int) -> float:
    release = Release.of(method, real, seed, Compute(device="cpu", precision="float32", compile="never"))
    images = ReleasedImages.of_release(real, release)
    seen = sum(torch.stack([images.target(number)[row] for number in range(len(directions))]) for _ in range(views)) / views
    return float((seen * release.counts[row] * directions).sum())


def _epsilon_of_shift(without: np.ndarray, present: np.ndarray, delta: float, margin: float = MARGIN) -> float:
    """Return the epsilon of Gaussian statistics (Balle & Wang, ICML 2018) from their shift less ``margin`` standard errors."""
    spread = math.sqrt((without.var(ddof=1) + present.var(ddof=1)) / 2)
    shift = float(present.mean() - without.mean()) / spread
    shift -= margin * math.sqrt((2 + shift**2 / 4) / len(present))  # of the means, and of the spread
    return 0.0 if shift <= 0 else float(_dp_accounting().get_epsilon_gaussian(1 / shift, delta))


def _epsilon_of_counts(without: np.ndarray, present: np.ndarray, delta: float) -> float:
    """Return a lower bound of epsilon: the threshold is chosen on one half of the trials and counted on the other."""
    half = len(present) // 2
    chosen = max(np.sort(present[:half]), key=lambda each: _bound(without[:half], present[:half], each, delta))
    return _bound(without[half:], present[half:], chosen, delta)


def _bound(without: np.ndarray, present: np.ndarray, threshold: float, delta: float) -> float:
    confidence = 1 - (1 - CONFIDENCE) / 2  # of the two intervals together
    true_rate, _ = clopper_pearson(int((present > threshold).sum()), len(present), confidence)
    _, false_rate = clopper_pearson(int((without > threshold).sum()), len(without), confidence)
    return max(0.0, math.log((true_rate - delta) / false_rate)) if true_rate > delta else 0.0


def _dp_accounting() -> Any:
    try:
        import dp_accounting
    except ImportError as error:
        raise MissingExtra("Differential privacy", "privacy") from error
    return dp_accounting
