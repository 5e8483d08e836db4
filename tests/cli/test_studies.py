"""The commands of the studies on the command line."""

import json
import re
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from condensation.config.build import from_dict
from condensation.config.toml import read_settings
from condensation.core.plain import to_dict
from condensation.studies.registry import STUDIES
from tests.cli.runs import running_until

METHOD = "dm.steps=3 dm.batch_per_class=4 dm.networks.spec.width=8".split()
EVALUATION = "evaluation.network.width=8 compute.precision=float32 compute.compile=never".split()
TABLE = ("table", "-d", "digits", "-i", "1", "--seeds", "1", "--networks", "1", "--epochs", "1", *METHOD, *EVALUATION)


pytestmark = pytest.mark.usefixtures("elsewhere")


def interrupted(arguments, after):
    """Run the command in a process, stop it by Ctrl-C once it prints ``after``, and return exit code and output."""
    with running_until(arguments, after) as (process, output):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output += process.stderr.read()
    return process.returncode, output


@pytest.mark.parametrize("name", STUDIES)
def test_the_settings_of_a_study_are_printed_and_read_again(condense, name):
    def read(file, *words):
        code, said, _ = condense(name, *words, "--print-config")
        assert code == 0
        Path(file).write_text(said)
        content = to_dict(from_dict(STUDIES[name].settings_type, read_settings(file)))
        return {key: {"name": value} if key == "method" and isinstance(value, str) else value for key, value in content.items()}

    first = read("first.toml", "--data", "digits")
    assert read("second.toml", "--config", "first.toml") == first
    assert {path.name for path in Path().iterdir()} == {"first.toml", "second.toml"}
    code, said, errors = condense(name, "a-study", "--print-config")
    assert (code, said) == (2, "")
    assert "a-study/settings.json" in errors


# -- condense table


def test_a_table_is_made_and_printed_again(condense):
    code, output, progress = condense(*TABLE)
    assert code == 0
    assert progress.count("[3 of 3] DM, ipc 1, seed 0: to do") == 1
    assert re.search(r"^\[1 of 3\] Random, ipc 1, seed 0: [\d.]+ % after \d+ s", progress, re.M)
    assert re.search(r"^\[3 of 3\] DM, ipc 1, seed 0: [\d.]+ % after \d+ s$", progress, re.M)
    assert "Handwritten digits" in output
    assert "Random, DSA" in output
    assert {path.name for path in Path("tables/digits").iterdir()} == {"settings.json", "table.json", "table.md", "table.png", "runs"}
    again = condense("table", "tables/digits")
    assert again == (0, output, "")
    code, repeated, progress = condense(*TABLE)
    assert (code, repeated) == (0, output)
    assert progress.count(": finished") == 3
    assert "condensing" not in progress


@pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed")
def test_a_cluster_that_does_not_answer_is_told_before_anything_is_done(condense):
    code, output, errors = condense(*TABLE, "--on", "dask:tcp://127.0.0.1:9")
    assert (code, output) == (2, "")
    assert "condense: There is no Dask cluster at tcp://127.0.0.1:9: " in errors
    assert not Path("tables").exists()


def test_a_dry_run_tells_when_processes_do_not_pay(condense):
    _, output, _ = condense(*TABLE, "--dry-run", "--on", "processes:2")
    assert "In 2 processes about " in output
    assert "This process is faster" in output


def test_json_output_of_a_table(condense):
    code, output, progress = condense(*(entry for entry in TABLE if entry not in METHOD), "--methods", "random", "--json")
    assert (code, progress) == (0, "")
    assert [cell["method"] for cell in json.loads(output)["cells"]] == ["Random", "Random, DSA"]


def test_a_dry_run_does_nothing(condense):
    code, output, _ = condense(*TABLE, "--dry-run", "--ipc", "1,10")
    assert code == 0
    assert "   3  to do     DM, ipc 1, seed 0: DM, 1 image per class, 3 steps; 1 network of 1 epoch" in output
    assert "6 of 6 jobs to do" in output
    assert not Path("tables").exists()
    assert len(json.loads(condense(*TABLE, "--dry-run", "--json")[1])) == 3


def test_rows_come_from_a_file(condense):
    Path("rows.toml").write_text("""
        data = "digits"
        [[rows]]
        label = "gentle"
        method = {name = "dm", lr = 0.1}
        [[rows]]
        label = "strong"
        method = {name = "dm", lr = 1e30}
        published = "none"
    """)
    code, output, progress = condense(*TABLE, "--config", "rows.toml", "--out", "rows")
    assert code == 1
    assert "1 of 2 jobs failed; the same command tries again." in progress
    assert "strong-ipc1-seed0 failed: The loss or a pixel was not a finite number" in output
    assert json.loads(Path("rows/runs/gentle-ipc1-seed0/settings.json").read_text())["settings"]["method"]["lr"] == 0.1
    code, _, progress = condense("table", "--config", "rows/settings.json", "--out", "rows")
    assert code == 1
    assert "[1 of 2] gentle, ipc 1, seed 0: finished\n[2 of 2] strong, ipc 1, seed 0: failed" in progress


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("table", "-i", "1,x"), "Expected whole numbers from 1 for --ipc"),
        (("table", "-m", "dn"), "There is no method 'dn'. Did you mean 'dm'?"),
        (("table", "nowhere"), "There is no table in nowhere."),
        (("table", "a", "b"), "a is a study to print again"),
        (("table", "a", "dm.steps=3"), "a is a study to print again"),
        (
            ("table", "dn.steps=3"),
            "dn.steps=3 names neither a method nor a setting of this study.\nIt may begin with: random, dm, compute, data,",
        ),
        (("table", "--report"), "There is no table in tables/fashion-mini."),
    ],
)
def test_wrong_arguments_exit_with_a_short_error(condense, arguments, output):
    code, _, errors = condense(*arguments)
    assert code == 2
    assert errors.startswith(f"condense: {output}")


@pytest.mark.slow
def test_ctrl_c_keeps_finished_work_and_prints_how_to_resume(condense):
    long = [*TABLE, "--methods", "random,dm", "dm.steps=100000", "--checkpoint-every", "0"]
    code, output = interrupted(long, "[3 of 3] DM")
    assert code == 130
    assert "finished work is kept" in output
    assert "condense table --config tables/digits/settings.json --out tables/digits" in output
    assert "| 1 | Random |" in Path("tables/digits/table.md").read_text()
    assert "   3  begun     DM" in condense(*long, "--dry-run")[1]
    assert "Missing: 1 of 3 sets." in condense("table", "tables/digits")[1]


# -- condense transfer

TRANSFER = ("transfer", "-d", "digits", "-i", "1", "--learn", "mlp,convnet", "--test", "mlp", "--networks", "1", "--epochs", "1")
TRANSFER += ("method.steps=3", "method.batch_per_class=4", "compute.precision=float32", "compute.compile=never")


def test_a_matrix_is_made_and_printed_again(condense):
    code, output, progress = condense(*TRANSFER)
    assert code == 0
    assert "[2 of 6] set of mlp, seed 0: to do" in progress
    assert "[6 of 6] mlp, trained on the set of convnet, seed 0: to do" in progress
    assert "Learning rates of images: mlp 1.26491, convnet 1.26491." in output
    folder = Path("transfer/digits-dm-ipc1")
    assert {path.name for path in folder.iterdir()} == {"settings.json", "transfer.json", "transfer.md", "transfer.png", "sets", "cells"}
    assert condense("transfer", folder) == (0, output, "")
    code, repeated, progress = condense("transfer", "--config", folder / "settings.json")
    assert (code, repeated) == (0, output)
    assert progress.count(": finished") == 6


def test_json_output_of_a_matrix(condense):
    code, output, progress = condense(*TRANSFER, "--method", "random", "--json", *("--learn", ""))
    assert code == 2
    assert progress.startswith("condense: Random has no setting 'steps'.")
    code, output, progress = condense(*TRANSFER, "--json")
    assert (code, progress) == (0, "")
    assert [row["label"] for row in json.loads(output)["rows"]] == ["random", "mlp", "convnet"]


def test_a_dry_run_of_a_matrix_lists_its_sets(condense):
    code, output, _ = condense(*TRANSFER, "--dry-run", "--learn", "convnet,vgg11")
    assert code == 0
    assert "   2  to do     set of convnet, seed 0: DM, 1 image per class, 3 steps\n" in output
    assert not Path("transfer").exists()


# -- condense run, below random images


def test_run_below_random_images_prints_advice(condense, monkeypatch):
    monkeypatch.setattr("condensation.cli.views.run.below_random", lambda scores, name: (12.0, 14.6) if name == "dm" else None)
    settings = [entry.replace("dm.", "method.") for entry in METHOD]
    code, output, _ = condense("run", "-d", "digits", "-i", "1", "-o", "out", *settings, *EVALUATION, "evaluation.recipe.epochs=1")
    assert code == 0
    assert "This set is less accurate than random images (12.0 % and 14.6 %)." in output
    assert "  method.lr=" in output


# -- condense theory


def test_theory_study_runs_and_is_printed_again(condense):
    settings = ("epochs=0,1", "pairs=3", "ipc=1", "batch_per_class=3", "network.width=8", "compute.precision=float32")
    code, output, progress = condense("theory", "-d", "digits", "--networks", "1", *settings)
    assert code == 0
    assert "[1 of 1] network 0: to do" in progress
    assert "head of zeros" in output
    assert {path.name for path in Path("theory/digits").iterdir()} == {
        "settings.json",
        "theory.json",
        "theory.md",
        "theory.png",
        "networks",
    }
    assert condense("theory", "theory/digits") == (0, output, "")
    assert len(json.loads(condense("theory", "theory/digits", "--json")[1])["means"]) == 3


# -- dry runs


def test_a_dry_run_of_data_that_are_not_there_is_refused(refused):
    for command in ("table", "transfer", "continual", "nas", "pools", "theory"):
        assert "cifar10" in refused(command, "-d", "cifar10", "--dry-run")


def test_a_dry_run_says_how_long_the_study_takes(condense):
    small = ("network.width=4", "epochs=0,1", "compute.precision=float32", "compute.compile=never")
    code, said, _ = condense("theory", "-d", "digits", "--networks", "2", "--dry-run", *small)
    assert (code, "training 2 networks: " in said, "memory" in said) == (0, True, True)
    assert not list(Path().iterdir())


def test_a_dry_run_states_the_epochs_that_were_typed(condense):
    said = condense(
        "table", "-d", "digits", "-m", "random", "-i", "1", "--seeds", 1, "--networks", 1, "--epochs", 30, "-o", "out", "--dry-run"
    )
    assert "1 network of 30 epochs" in said[1]
