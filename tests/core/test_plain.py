"""Settings as plain values, and how messages tell their differences."""

import pytest

from condensation.core.plain import first_difference


@pytest.mark.parametrize(
    ("saved", "wanted", "text"),
    [
        ({"lr": 0.7071067811865476}, {"lr": 2.0}, "lr is 0.707107 there, 2.0 here"),
        ({"lr": 0.1}, {"lr": 0.10000000000000002}, "lr is 0.1 there, 0.10000000000000002 here"),  # six digits would be equal
        ({"a": {"name": "dsa", "operations": ["crop"]}}, {"a": None}, "a is dsa there, None here"),
        ({"a": {"name": "dsa", "scale": 1.0}}, {"a": {"name": "dsa", "scale": 1.2}}, "a.scale is 1.0 there, 1.2 here"),
        ({"a": 1}, {"a": 1}, None),
    ],
)
def test_a_difference_is_told_shortly(saved, wanted, text):
    assert first_difference(saved, wanted) == text
