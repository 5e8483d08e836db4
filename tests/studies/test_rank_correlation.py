"""Rank correlations are scipy's, and so are those of every repetition of the bootstrap."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from condensation.core.rng import Rng
from condensation.studies.rank_correlation import REPETITIONS, agreement, kendall, spearman

LISTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=30).filter(
    lambda pairs: all(len(set(entry)) > 1 for entry in zip(*pairs, strict=True))
)
SCIPY = {spearman: stats.spearmanr, kendall: stats.kendalltau}


@pytest.mark.parametrize("coefficient", SCIPY)
@given(pairs=LISTS)
def test_coefficients_equal_those_of_scipy_with_ties(coefficient, pairs):
    first, second = np.array(pairs, dtype=float).T
    ours = coefficient(first, second, np.ones((1, len(first))))[0]
    assert ours == pytest.approx(SCIPY[coefficient](first, second).statistic, abs=1e-12)


@pytest.mark.parametrize("coefficient", SCIPY)
@given(pairs=LISTS, seed=st.integers(0, 1000))
def test_counts_equal_repeated_entries(coefficient, pairs, seed):
    first, second = np.array(pairs, dtype=float).T
    weights = np.random.default_rng(seed).integers(0, 3, len(first))
    again = [np.repeat(entry, weights) for entry in (first, second)]
    ours = coefficient(first, second, weights[None].astype(float))[0]
    if any(len(set(entry)) < 2 for entry in again):
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(SCIPY[coefficient](*again).statistic, abs=1e-12)


def test_interval_equals_that_of_separate_repetitions():
    rng = Rng(3)
    first = rng.child("x").generator().random(12)
    second = first + rng.child("y").generator().random(12)
    result = agreement(first, second, rng)
    drawn = rng.generator().integers(0, 12, (REPETITIONS, 12))
    for ours, theirs in ((result.spearman, stats.spearmanr), (result.kendall, stats.kendalltau)):
        values = [theirs(first[row], second[row]).statistic for row in drawn]
        assert (ours.low, ours.high) == pytest.approx(np.quantile(values, [0.025, 0.975]))
        assert ours.low < ours.value < ours.high
    assert str(result.spearman).startswith(f"{result.spearman.value:.2f} [")


def test_same_order_gives_one_and_opposite_order_minus_one():
    up = [1.0, 2.0, 5.0, 7.0, 8.0, 9.0]
    same, opposite = (agreement(up, other, Rng(0)) for other in (up, up[::-1]))
    assert [(entry.spearman.value, entry.kendall.value) for entry in (same, opposite)] == [(1, 1), (-1, -1)]
    assert (same.spearman.low, same.spearman.high) == (1, 1)


@pytest.mark.parametrize(("first", "second"), [([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]), ([1.0] * 9, list(range(9)))])
def test_too_few_entries_or_equal_values_have_no_coefficient(first, second):
    result = agreement(first, second, Rng(0))
    assert (result.count, result.spearman, result.kendall) == (len(first), None, None)
