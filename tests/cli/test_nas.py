"""``condense nas``, as a person types it."""

import json
from pathlib import Path

import pytest

from tests.cli.test_studies import interrupted

SETTINGS = ("dm.steps=2", "dm.batch_per_class=4", "dm.networks.spec.width=4", "recipe.batch=20", "compute.precision=float32")
NAS = ("nas", "-d", "digits", "-i", "1", "--trainings", "1", "--epochs", "2", "--whole-epochs", "1", "--workers", "1", *SETTINGS)
SPACE = """
width = [4]
depth = [1, 2]
norm = ["none", "instance"]
activation = ["relu"]
pooling = ["none", "avg"]
"""

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def nas(elsewhere):
    """The command for a space of eight networks."""
    Path("space.toml").write_text(SPACE)
    return (*NAS, "--proxies", "random,dm,early-stopping", "--space", "space.toml")


def test_a_search_is_made_and_printed_again(condense, nas):
    code, said, progress = condense(*nas)
    assert code == 0
    assert "[2 of 10] set of dm: to do" in progress
    assert "[10 of 10] w4-" in progress
    assert "Handwritten digits, 8 x 8: 8 of 8 networks" in said
    folder = Path("nas/digits-ipc1")
    assert {path.name for path in folder.iterdir()} == {
        "settings.json", "space.json", "nas.json", "nas.md", "nas.png", "sets", "networks",
    }  # fmt: skip
    assert condense("nas", folder) == (0, said, "")
    code, repeated, progress = condense("nas", "--config", folder / "settings.json", "--out", folder)
    assert (code, repeated) == (0, said)
    assert progress.count(": finished") == 10


def test_a_subset_is_a_part_and_more_are_added(condense, nas):
    code, said, _ = condense(*nas, "--subset", "2", "--json")
    assert (code, json.loads(said)["asked_for"]) == (0, 2)
    first = json.loads(said)["networks"]
    found = json.loads(condense(*nas, "--subset", "3", "--json")[1])["networks"]
    assert [*found][:2] == [*first]
    assert {name: found[name] for name in first} == first


def test_networks_that_do_not_fit_are_told(condense, nas):
    Path("space.toml").write_text(SPACE.replace("[1, 2]", "[1, 4]"))
    code, said, _ = condense(*nas, "--proxies", "random", *("--subset", "1"))
    assert code == 2  # there is no dm whose steps could be set
    code, said, _ = condense(*(one for one in nas if not one.startswith("dm.")), "--proxies", "random", "--subset", "1")
    assert code == 0
    assert "2 networks of the space left out: A ConvNet of depth 4 is too deep for images of 8x8" in said


def test_a_dry_run_lists_the_sets(condense, nas):
    code, said, _ = condense(*nas, "--dry-run")
    assert code == 0
    assert "   2  to do     set of dm: DM, 1 image per class, 2 steps\n2 of 2 jobs to do, in nas/digits-ipc1/sets." in said
    assert not Path("nas").exists()


def test_proxies_come_from_a_file(condense, nas):
    Path("search.toml").write_text("""
        [[proxies]]
        label = "gentle"
        method = {name = "dm", lr = 0.1}
        [[proxies]]
        label = "stopped"
        method = "early-stopping"
    """)
    without = [one for one in nas if one not in ("--proxies", "random,dm,early-stopping")]
    code, said, _ = condense(*without, "--config", "search.toml", "--subset", "1", "--json")
    assert code == 0
    assert [one["label"] for one in json.loads(said)["verdicts"]] == ["gentle", "stopped", "whole"]
    assert json.loads(Path("nas/digits-ipc1/sets/gentle/settings.json").read_text())["settings"]["method"]["lr"] == 0.1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nas", "--proxies", "dn"), "There is no method 'dn'. Did you mean 'dm'?"),
        (
            ("nas", "dn.steps=3"),
            "dn.steps=3 names neither a method nor a setting of this study.\nIt may begin with: random, herding, dsa, dm,",
        ),
        (("nas", "nowhere"), "There is no search in nowhere."),
        (("nas", "--space", "nowhere.toml"), "There is no settings file nowhere.toml."),
        (("nas", "--top", "2"), "top is 2.0; it must be between 0 and 1."),
        (("nas", "space.width=[0]", "--proxies", "random", "-d", "digits"), "No network of the space fits."),
        (("nas", "-d", "digits", "-i", "500"), "Expected ipc of at most"),
    ],
)
def test_a_mistake_ends_in_a_line_or_two(condense, arguments, said):
    code, _, errors = condense(*arguments)
    assert code == 2
    assert f"condense: {said}" in errors
    assert not Path("nas").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_loses_nothing_and_says_how_to_go_on(condense, nas, workers):
    long = [*nas, "--workers", workers, "--whole-epochs", "3"]
    code, said = interrupted(long, "[6 of 10]")
    assert code == 130
    assert "finished work is kept" in said
    assert "Traceback" not in said
    assert "condense nas --config nas/digits-ipc1/settings.json --out nas/digits-ipc1" in said
    kept = {path: path.read_bytes() for path in Path("nas/digits-ipc1/networks").glob("w*.json")}
    done = [path for path, content in kept.items() if b'"whole"' in content]
    assert done
    assert "Missing: " in condense("nas", "nas/digits-ipc1")[1]
    code, said, _ = condense(*long)
    assert (code, "8 of 8 networks" in said) == (0, True)
    assert all(path.read_bytes() == kept[path] for path in done)
    assert condense(*long, "--out", "unbroken")[0] == 0
    assert accuracies("nas/digits-ipc1") == accuracies("unbroken")


def accuracies(folder):
    """All that a search has measured but the time that it took."""
    found = json.loads((Path(folder) / "nas.json").read_text())["networks"]
    return {name: {label: (one["validation"], one["test"]) for label, one in of_network.items()} for name, of_network in found.items()}
