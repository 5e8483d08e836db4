"""Plain PyTorch, in a process without the package, reaches the accuracy of `evaluate` on each export."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from condensation import DM, CondensedSet, ConvNet, EvaluationSettings, Recipe, condense, evaluate, load
from condensation.artifacts.export.base import eight_bit
from condensation.core.compute import Compute
from condensation.core.plain import to_dict
from tests.small import CPU

SCRIPT = Path(__file__).parents[3] / "scripts" / "plain_training.py"
HOW = EvaluationSettings(5, ConvNet(width=16), Recipe(epochs=60, augmentation=None))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def condensed(digits):
    images = condense(DM(steps=30, batch_per_class=32), digits.train, 3, compute=Compute(**CPU))
    return CondensedSet(images, {"data": {"name": "digits"}, "settings": {"evaluation": to_dict(HOW)}})


@pytest.fixture(scope="module")
def expected(digits, condensed):
    """Return the accuracy of each network, on the set and on its 8-bit view."""
    sets = [condensed.images, replace(condensed.images, images=eight_bit(condensed.images))]
    return evaluate(sets, digits.test, network=HOW.network, recipe=HOW.recipe, networks=HOW.networks, compute=Compute(**CPU)).values


@pytest.mark.parametrize(("to", "view"), [("npz", 0), ("torch", 0), ("hub", 0), ("png", 1), ("parquet", 1)])
def test_plain_pytorch_reaches_the_accuracy_of_evaluate(tmp_path, digits, condensed, expected, to, view):
    folder = condensed.export(tmp_path / to, to)
    np.savez(tmp_path / "test.npz", pictures=digits.test.images.numpy(), labels=digits.test.labels.numpy())
    words = [sys.executable, SCRIPT, folder, tmp_path / "test.npz", "--networks", "5", "--width", "16"]
    environment = {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    plain = np.array(json.loads(done.stdout)["values"])
    # Four standard errors of the difference: chance fails the test once in many thousand runs; wrong normalization costs 10 % and more.
    noise = 4 * np.sqrt(plain.var() / 4 + expected[view].var() / 4)
    assert abs(plain.mean() - expected[view].mean()) < noise
    assert noise < 6
