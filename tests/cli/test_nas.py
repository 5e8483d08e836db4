"""``condense nas`` on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.test_studies import interrupted

SETTINGS = ("dm.steps=2", "dm.batch_per_class=4", "dm.networks.spec.width=4", "recipe.batch=20", "compute.precision=float32")
NAS = ("nas", "-d", "digits", "-i", "1", "--trainings", "1", "--epochs", "2", "--whole-epochs", "1", "--on", "processes:1", *SETTINGS)
SPACE = """
width = [4]
depth = [1, 2]
norm = ["instance"]
activation = ["relu"]
pooling = ["none", "avg"]
"""

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def nas(elsewhere):
    """The command for a space of four networks."""
    Path("space.toml").write_text(SPACE)
    return (*NAS, "--proxies", "random,dm,early-stopping", "--space", "space.toml")


def test_a_search_is_made_and_printed_again(condense, nas):
    code, output, progress = condense(*nas)
    assert code == 0
    assert "[2 of 6] set of dm: to do" in progress
    assert "[6 of 6] w4-" in progress
    assert "Handwritten digits: 4 of 4 networks" in output
    folder = Path("nas/digits-ipc1")
    assert {path.name for path in folder.iterdir()} == {
        "settings.json", "space.json", "nas.json", "nas.md", "nas.png", "sets", "networks",
    }  # fmt: skip
    assert condense("nas", folder) == (0, output, "")
    code, repeated, progress = condense("nas", "--config", folder / "settings.json", "--out", folder)
    assert (code, repeated) == (0, output)
    assert progress.count(": finished") == 6


def test_a_subset_is_a_part_and_more_are_added(condense, nas):
    code, output, _ = condense(*nas, "--subset", "2", "--json")
    assert (code, json.loads(output)["asked_for"]) == (0, 2)
    first = json.loads(output)["networks"]
    result = json.loads(condense(*nas, "--subset", "3", "--json")[1])["networks"]
    assert [*result][:2] == [*first]
    assert {name: result[name] for name in first} == first


def test_networks_that_do_not_fit_are_reported(condense, nas):
    Path("space.toml").write_text(SPACE.replace("[1, 2]", "[1, 4]"))
    code, output, _ = condense(*nas, "--proxies", "random", *("--subset", "1"))
    assert code == 2  # there is no dm whose steps could be set
    code, output, _ = condense(*(entry for entry in nas if not entry.startswith("dm.")), "--proxies", "random", "--subset", "1")
    assert code == 0
    assert "1 network of the space left out: A ConvNet of depth 4 is too deep for images of 8x8" in output


def test_a_dry_run_lists_the_sets(condense, nas):
    code, output, _ = condense(*nas, "--dry-run")
    assert code == 0
    assert "   2  to do     set of dm: DM, 1 image per class, 2 steps\n2 of 2 jobs to do, in nas/digits-ipc1/sets." in output
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
    without = [entry for entry in nas if entry not in ("--proxies", "random,dm,early-stopping")]
    code, output, _ = condense(*without, "--config", "search.toml", "--subset", "1", "--json")
    assert code == 0
    assert [entry["label"] for entry in json.loads(output)["verdicts"]] == ["gentle", "stopped", "whole"]
    assert json.loads(Path("nas/digits-ipc1/sets/gentle/settings.json").read_text())["settings"]["method"]["lr"] == 0.1


@pytest.mark.parametrize(
    ("arguments", "output"),
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
def test_wrong_arguments_exit_with_a_short_error(condense, arguments, output):
    code, _, errors = condense(*arguments)
    assert code == 2
    assert f"condense: {output}" in errors
    assert not Path("nas").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_keeps_finished_work_and_prints_how_to_resume(condense, nas, workers):
    Path("space.toml").write_text(SPACE.replace('["instance"]', '["none", "instance"]'))
    long = [*nas, "--on", f"processes:{workers}", "--whole-epochs", "3"]
    code, output = interrupted(long, "[6 of 10]")
    assert code == 130
    assert "finished work is kept" in output
    assert "Traceback" not in output
    assert "condense nas --config nas/digits-ipc1/settings.json --out nas/digits-ipc1" in output
    kept = {path: path.read_bytes() for path in Path("nas/digits-ipc1/networks").glob("w*.json")}
    done = [path for path, content in kept.items() if b'"whole"' in content]
    assert done
    assert "Missing: " in condense("nas", "nas/digits-ipc1")[1]
    code, output, _ = condense(*long)
    assert (code, "8 of 8 networks" in output) == (0, True)
    assert all(path.read_bytes() == kept[path] for path in done)
    assert condense(*long, "--out", "unbroken")[0] == 0
    assert accuracies("nas/digits-ipc1") == accuracies("unbroken")


def accuracies(folder):
    """All that a search has measured but the time that it took."""
    result = json.loads((Path(folder) / "nas.json").read_text())["networks"]
    return {name: {label: (entry["validation"], entry["test"]) for label, entry in by_label.items()} for name, by_label in result.items()}
