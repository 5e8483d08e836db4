"""Differences of means with their intervals."""

import pytest
from scipy import stats

from condensation.evaluation.difference import welch

FIRST, SECOND = [61.0, 63.5, 59.8, 62.2], [58.0, 55.1, 60.9]


def test_the_interval_is_that_of_welch():
    expected = stats.ttest_ind(FIRST, SECOND, equal_var=False).confidence_interval(0.95)
    found = welch(FIRST, SECOND)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx(sum(FIRST) / 4 - sum(SECOND) / 3)
    assert not found.is_significant
    assert welch(FIRST, [each - 9 for each in SECOND]).is_significant


def test_single_numbers_have_no_interval_and_equal_ones_an_empty_one():
    assert welch([60.0], SECOND).interval is None
    assert welch([60.0, 60.0], [59.0, 59.0]).interval == (1.0, 1.0)
