"""Membership attacks on the shadows of an arm, each on one surface and one kind of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from condensation.studies.privacy.lira import Rate, auc, lira_scores, rate_at, roc
from condensation.studies.privacy.pool import KINDS, AttackPool

FALSE_RATES = (0.01, 0.001)
POINTS = 200  # of a curve that is kept
STARTING = ("random", "dm-real")  # arms whose sets begin with real images
START = "images that the sets begin with"


@dataclass(frozen=True)
class Attack:
    """Result of an attack."""

    arm: str
    surface: str
    """``networks`` trained on the set, or the ``set``."""
    kind: str
    """Kind of the images whose membership is inferred."""
    accuracy: float
    """Mean test accuracy of the networks in percent."""
    members: int
    others: int
    auc: float
    rates: tuple[Rate, ...]
    """True-positive rates at `FALSE_RATES`."""
    curve: tuple[tuple[float, float], ...]
    """Some points of the ROC curve: false-positive and true-positive rate."""


def attacks_of(
    arm: str, numbers: Sequence[int], read: Sequence[tuple[dict[str, Tensor], Mapping[str, Any]]], pool: AttackPool, ipc: int
) -> list[Attack]:
    """Return the attacks on an arm from the tensors and cards of its shadows, whose halves have ``numbers``."""
    members = np.stack([pool.members(number) for number in numbers])
    accuracy = float(np.mean([card["accuracy"] for _, card in read]))
    attacks = []
    for surface in ("networks", "set"):
        if not all(surface in tensors for tensors, _ in read):
            continue
        scores = lira_scores(np.stack([tensors[surface].double().numpy() for tensors, _ in read]), members)
        for index, kind in enumerate(KINDS):
            chosen = np.isfinite(scores) & (pool.kinds == index)
            attacks += _attack(arm, surface, kind, accuracy, scores[chosen], members[chosen])
        if arm in STARTING:
            started = np.zeros_like(members)
            for row, number in enumerate(numbers):
                started[row, pool.starts(number, ipc)] = True
            chosen = np.isfinite(scores) & (started | ~members)
            attacks += _attack(arm, surface, START, accuracy, scores[chosen], members[chosen])
    return attacks


def _attack(arm: str, surface: str, kind: str, accuracy: float, scores: np.ndarray, members: np.ndarray) -> list[Attack]:
    count, inside = len(members), int(members.sum())
    if not 0 < inside < count:
        return []
    false, true = roc(scores, members)
    places = np.unique(np.searchsorted(false, np.geomspace(1 / (count - inside), 1, POINTS), side="right") - 1)
    curve = tuple((round(float(false[place]), 8), round(float(true[place]), 8)) for place in places)
    rates = tuple(rate_at(scores, members, each) for each in FALSE_RATES)
    return [Attack(arm, surface, kind, round(accuracy, 2), inside, count - inside, round(auc(scores, members), 4), rates, curve)]
