"""Every file in examples/ runs as a user would run it, and is short."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PRINTS = {
    "quickstart.py": ["DM:", "random:", "3 networks", "plain PyTorch"],
    "generator.py": ["drawn in training: 50 images; drawn later: 200", "real:", "drawn later:", "Picture:"],
    "own_images.py": ["96 training images of eight, nine, three", "No test split given", "DM:", "Set and picture"],
    "network_pool.py": [
        "networks in each bucket: {",
        "condensed with networks of bucket random:",
        "condensed with networks of bucket all:",
    ],
    "own_network.py": ["small, trained", "small of width 64, trained", "Wide, trained", "ConvNet, trained"],
    "own_augmentation.py": ["augmentation none:", "augmentation own:", "augmentation gentler:"],
    "continual_learning.py": ["10 classes seen: random", "continual.png"],
    "architecture_search.py": ["16 of 16 networks, 0 failed", "early-stopping: rank", "whole: rank correlation 1.00", "Table and picture"],
    "own_method.py": ["Random:", "KMeans:"],
}


def test_every_example_is_known_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_has_less_than_sixty_lines(name):
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    for text in PRINTS[name]:
        assert text in done.stdout


@pytest.mark.parametrize("name", [name for name in PRINTS if "As a command:" in (EXAMPLES / name).read_text(encoding="utf-8")])
def test_the_command_of_an_example_runs(name, tmp_path):
    line = next(line for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines() if "As a command:" in line)
    words = shlex.split(line.partition("condense ")[2].replace("examples/", f"{EXAMPLES}{os.sep}"))
    short = ["evaluation.networks=1", "evaluation.recipe.epochs=2", "method.steps=2", "--out", tmp_path / "out", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "condensation", *words, *short]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "out" / "scores.json").exists()
