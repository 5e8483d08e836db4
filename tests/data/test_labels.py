"""Labels as numbers and names."""

import numpy as np
import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.data.labels import as_numbers, classes_of, numbered


def test_numbers_are_ordered_as_numbers_and_names_naturally():
    assert classes_of(["10", "9", "-1", "09"]) == ("-1", "9", "10")
    assert classes_of(["c10", "c9", " C1 ", "c9"]) == ("C1", "c9", "c10")
    assert classes_of(["10", "x9"]) == ("10", "x9")


def test_places_in_the_classes():
    assert numbered(["b", "a ", "b"], ("a", "b"), "here", "there") == [1, 0, 1]
    assert numbered(["07", "8"], ("7", "8"), "here", "there") == [0, 1]
    assert numbered(["07", "08"], ("07", "08"), "here", "there") == [0, 1]  # names that were given as they are
    with pytest.raises(CondensationError, match="here has a class 'c', which there doesn't have"):
        numbered(["c"], ("a", "b"), "here", "there")


@pytest.mark.parametrize("labels", [["b", "a"], np.array(["b", "a"]), np.array(["b", "a"], dtype=object)])
def test_texts_of_any_kind(labels):
    train, test, names = as_numbers(labels, ["a"], None)
    assert (train.tolist(), test.tolist(), names) == ([1, 0], [0], ("a", "b"))


@pytest.mark.parametrize("labels", [[1, 0], np.array([1, 0], dtype=np.uint8), torch.tensor([1, 0])])
def test_numbers_of_any_kind(labels):
    train, test, names = as_numbers(labels, None, ("x", "y"))
    assert (train.tolist(), test, names) == ([1, 0], None, ("x", "y"))
