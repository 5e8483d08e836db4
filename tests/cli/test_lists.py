"""``condense methods``, ``condense networks`` and ``condense data``."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from condensation import DM, KIP
from condensation.artifacts.shelf import bundled_sets
from condensation.cli.views.methods import settings_of
from condensation.config.field_docs import field_docs
from condensation.methods.registry import METHODS
from condensation.networks.registry import NETWORKS
from tests.cli.runs import ENVIRONMENT, colour_data

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_methods_are_listed(condense):
    assert "batch_per_class=256" in condense("methods")[1].replace("\n", "")
    assert set(json.loads(condense("methods", "--json")[1])) == set(METHODS)


def test_networks_are_listed(condense):
    assert json.loads(condense("networks", "--shape", "3x32x32", "--json")[1])["convnet"]["parameters"] == 320010
    code, said, _ = condense("networks", "--shape", "1X8X8", "--classes", 3)
    assert code == 0
    assert "too small" in said.replace("\n", "") or "at least" in said.replace("\n", "")


def test_data_are_listed(condense, tmp_path):
    colour_data(tmp_path / "root" / "mine")
    assert condense("data")[0] == 0
    rows = {row["name"]: row for row in json.loads(condense("data", "--folder", "root", "--json")[1])}
    assert rows["digits"]["where"] == "bundled"
    assert rows["mine"]["where"] == "root/mine"


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_of_a_method_is_described(condense, name):
    settings = json.loads(condense("methods", name, "--json")[1])
    assert [setting for setting, about in settings.items() if not about["description"]] == []
    assert all(about["type"] and about["default"] for about in settings.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_setting_of_a_network_is_described(name):
    settings = settings_of(NETWORKS[name])
    assert [setting for setting, about in settings.items() if not about["description"]] == []


def test_the_settings_of_a_method_are_printed(condense, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    code, said, _ = condense("methods", "kip")
    assert code == 0
    assert KIP.__doc__.splitlines()[0] in said
    for text in ("0.04", "fixed | learned | solved", field_docs(KIP)["lr"]):
        assert text in said


def test_the_settings_of_a_network_are_those_of_its_name(condense):
    said = condense("networks", "convnet-bn", "--shape", "1x8x8")[1]
    assert re.search(r"norm +│.*│ batch +│", said)


def test_a_user_defined_method_is_described(condense, tmp_path):
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\nfrom condensation import DM\n\n"
        '@dataclass(frozen=True)\nclass Mine(DM):\n    """My own method."""\n\n    salt: int = 3\n    """Grains."""\n'
    )
    settings = json.loads(condense("methods", "own.py:Mine", "--json")[1])
    assert settings["salt"] == {"type": "int", "default": "3", "description": "Grains."}
    assert settings["lr"]["description"] == field_docs(DM)["lr"]


def test_runs_are_listed_and_compared(condense, finished, refused):
    code, said, _ = condense("runs", finished.parent)
    assert (code, "digits" in said, "finished" in said) == (0, True, True)
    (listed,) = json.loads(condense("runs", finished.parent, "--json")[1])
    assert (listed["folder"], listed["state"], listed["score"]["count"]) == (str(finished), "finished", 1)
    code, said, _ = condense("compare", finished, finished, "--per-class")
    assert (code, "+0.0" in said, "taken for" in said) == (0, True, True)
    both = json.loads(condense("compare", finished, "--every", "--json")[1])
    assert [row["set"].split()[0] for row in both] == ["dm", "random"]
    assert {sum(row.values()) for row in both[0]["confusion"].values()} <= {35, 36, 37}  # test images of a class
    assert refused("compare", finished.parent)


def test_shells_complete_the_command():
    environment = {**ENVIRONMENT, "_CONDENSE_COMPLETE": "complete_bash", "COMP_WORDS": "condense ru", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "import sys; sys.argv = ['condense']; from condensation.__main__ import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["run", "runs"]


def test_bundled_sets_are_listed(condense):
    code, said, _ = condense("sets")
    assert code == 0
    listed = json.loads(condense("sets", "--json")[1])
    assert list(listed) == list(bundled_sets())
    for name, facts in listed.items():
        assert name in said
        assert (facts["images_per_class"], facts["data"], facts["licence"]) == (int(name.rpartition("-")[2]), "fashion-mnist", "MIT")
        assert facts["stored_images"] == 10 * facts["images_per_class"] <= facts["seen_images"]
        assert facts["recipe"].startswith("paper, ")
        assert 60 < facts["score"]["mean"] < 100


@pytest.mark.parametrize("command", ["show", "report", "export --to npz"])
def test_the_name_of_a_bundled_set_is_a_set(condense, command):
    name = next(iter(bundled_sets()))
    words = command.split()
    code, _, error = condense(words[0], name, *words[1:])
    assert code == 0, error
    place = {"show": f"{name}.png", "report": f"{name}.html", "export": f"{name}-npz/set.npz"}[words[0]]
    assert Path(place).is_file()
