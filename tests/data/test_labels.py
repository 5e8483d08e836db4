"""Labels as numbers and names."""

import numpy as np
import pytest
import torch

from condensation.data.labels import class_indices, encode_labels, infer_class_names
from tests.data.refusals import refusal


def test_numbers_are_ordered_as_numbers_and_names_naturally():
    assert infer_class_names(["10", "9", "-1", "09"]) == ("-1", "9", "10")
    assert infer_class_names(["c10", "c9", " C1 ", "c9"]) == ("C1", "c9", "c10")
    assert infer_class_names(["10", "x9"]) == ("10", "x9")


def test_places_in_the_classes():
    assert class_indices(["b", "a ", "b"], ("a", "b"), "test", "train") == [1, 0, 1]
    assert class_indices(["07", "8"], ("7", "8"), "test", "train") == [0, 1]
    assert class_indices(["07", "08"], ("07", "08"), "test", "train") == [0, 1]  # given names stay as they are
    assert "'c'" in refusal(class_indices, ["c"], ("a", "b"), "test", "train").message


@pytest.mark.parametrize("labels", [["b", "a"], np.array(["b", "a"]), np.array(["b", "a"], dtype=object)])
def test_texts_of_any_kind(labels):
    numbers, names = encode_labels(labels, "train", None)
    assert (numbers.tolist(), names) == ([1, 0], ("a", "b"))


@pytest.mark.parametrize("labels", [[1, 0], np.array([1, 0], dtype=np.uint8), torch.tensor([1, 0])])
def test_numbers_of_any_kind(labels):
    numbers, names = encode_labels(labels, "train", ("x", "y"))
    assert (numbers.tolist(), names) == ([1, 0], None)
