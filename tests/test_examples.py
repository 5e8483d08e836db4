"""Every file in examples/ runs as a user would run it, and is short; in the quick tests with fewer steps and epochs."""

import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

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
MOST = 2  # steps and epochs in the quick tests


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def short(text: str) -> str:
    """Return an example with its steps and epochs capped."""
    return re.sub(r'((?:steps|epochs|iterations)"?(?:=|: ))(\d+)', lambda match: match[1] + str(min(MOST, int(match[2]))), text)


def run_alone(path: Path, folder: Path) -> str:
    """Run an example in a process of its own and return what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "COLUMNS": "200"}
    done = subprocess.run([sys.executable, path], cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_known_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_has_less_than_sixty_lines(name):
    assert len(text_of(name).splitlines()) < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name, tmp_path):
    printed = run_alone(EXAMPLES / name, tmp_path)
    assert all(text in printed for text in PRINTS[name])


@pytest.mark.parametrize("name", [name for name in PRINTS if name != "architecture_search.py"])  # which takes long even so
def test_an_example_runs_with_fewer_steps(name, tmp_path, monkeypatch, capsys):
    path = tmp_path / name
    path.write_text(short(text_of(name)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with torch.random.fork_rng():
        runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    for text in PRINTS[name]:
        assert text in printed


@pytest.mark.parametrize("name", [name for name in PRINTS if "As a command:" in text_of(name)])
def test_the_command_of_an_example_runs(name, tmp_path, monkeypatch, condense):
    line = next(line for line in text_of(name).splitlines() if "As a command:" in line)
    words = shlex.split(line.partition("condense ")[2].replace("examples/", f"{EXAMPLES}{os.sep}"))
    few = ["evaluation.networks=1", "evaluation.recipe.epochs=2", "method.steps=2", "--out", tmp_path / "out", "--quiet"]
    monkeypatch.chdir(tmp_path)
    code, out, error = condense(*words, *few)
    assert (code, out) == (0, ""), error
    assert (tmp_path / "out" / "scores.json").exists()
