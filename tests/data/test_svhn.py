"""Files of SVHN; `test_format_contract` tests the behaviour of all formats."""

import sys

import numpy as np
import pytest

from condensation.data.load import load
from tests.data import official
from tests.data.official import write_svhn
from tests.data.refusals import refusal


def test_ten_means_zero(tmp_path):
    data = load(write_svhn(tmp_path)[0])
    assert data.train.counts == {label: 3 for label in range(10)}
    assert data.train.class_names[0] == "0"


def test_a_missing_test_file_of_svhn_is_named(tmp_path):
    write_svhn(tmp_path)
    (tmp_path / "test_32x32.mat").unlink()
    error = refusal(load, "svhn", folder=tmp_path)
    assert "test_32x32.mat" in error.message
    assert "condense data get svhn" in error.hint


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ({"X": official.images(32, (32, 3, 4)), "y": [[1], [2], [3], [11]]}, "1..10"),
        ({"X": official.images(32, (32, 3, 4)), "y": [[1], [2], [3], [0]]}, "1..10"),
        ({"X": official.images(32, (32, 3, 4)), "y": [[1], [2], [3]]}, "got 3 labels"),
        ({"X": official.images(32, (32, 4, 4)), "y": [[1], [2], [3], [4]]}, "X is uint8 of shape"),
        ({"X": np.zeros((32, 32, 3, 4)), "y": [[1], [2], [3], [4]]}, "X is float64"),
        ({"X": official.images(32, (32, 3, 4))}, "got X"),
        ({"X": "text", "y": [[1]]}, "X is <U4"),
    ],
)
def test_a_mat_file_that_is_wrong_is_named(tmp_path, content, value):
    from scipy.io import savemat

    write_svhn(tmp_path)
    savemat(tmp_path / "train_32x32.mat", content)
    message = refusal(load, tmp_path).message
    assert "train_32x32.mat" in message
    assert value in message


def test_without_scipy_the_extra_is_named(tmp_path, monkeypatch):
    write_svhn(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert "pip install '.[data]'" in refusal(load, tmp_path).hint
