"""``condense pools``, and a pool as a setting of a run, on the command line."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.test_studies import interrupted

pytestmark = pytest.mark.usefixtures("elsewhere")

POOLS = (
    "pools",
    "-d",
    "digits",
    "-i",
    "1",
    "--pool",
    "2",
    "--pool-epochs",
    "2",
    "--bounds",
    "10,30,99",
    "--networks",
    "1",
    "--epochs",
    "1",
)
POOLS += ("network.width=4", "method.steps=3", "method.batch_per_class=4", "evaluation.network.width=4")
POOLS += ("compute.precision=float32", "compute.compile=never")


def test_buckets_are_compared_and_printed_again(condense):
    code, output, progress = condense(*POOLS)
    assert code == 0
    assert "[1 of 7] network 0 of the pool: to do" in progress
    assert "training 12/12" in progress
    assert "networks of all, ipc 1, seed 0: to do" in progress
    assert "ipc 1: best and worst bucket are " in output
    folder = Path("pools/digits")
    written = {"settings.json", "pools.json", "pools.md", "pools.png", "images.png", "runs", "pool"}
    assert {path.name for path in folder.iterdir()} == written
    assert condense("pools", folder) == (0, output, "")
    code, repeated, progress = condense("pools", "--config", folder / "settings.json")
    assert (code, repeated) == (0, output)
    assert "training" not in progress
    assert ": to do" not in progress


def test_printed_settings_make_a_run_use_the_pool(condense):
    _, output, _ = condense(*POOLS, "--pool-only")
    assert not Path("pools/digits/runs").exists()
    (line,) = [line for line in output.splitlines() if line.startswith("Embed with this pool")]
    settings = shlex.split(line.partition(": ")[2])
    assert settings[:2] == ["method.networks=pool", "method.networks.path=pools/digits/pool"]
    run = ["run", "-d", "digits", "-i", "1", "method.steps=2", "evaluation.networks=0", "-q", *settings]
    code, _, errors = condense(*run, "-o", "first")
    assert (code, errors) == (0, "")
    method = json.loads(Path("first/settings.json").read_text())["settings"]["method"]
    assert method["networks"]["bucket"] == "10-30"
    code, _, errors = condense("run", "--config", "first/settings.json", "-o", "again", "-q")
    assert (code, errors) == (0, "")
    assert Path("first/set.safetensors").read_bytes() == Path("again/set.safetensors").read_bytes()
    code, _, errors = condense(*run, "-o", "empty", "method.networks.bucket=99+")
    assert code == 2
    assert errors.startswith("condense: No network in pools/digits/pool is in 99+: validation accuracies are ")
    code, _, errors = condense(*run, "-o", "wide", "method.networks.spec.width=8")
    assert code == 2
    assert errors.startswith("condense: The pool in pools/digits/pool has another architecture: width is 4 there, 8 here.\n")


def test_json_output_of_a_comparison(condense):
    code, output, progress = condense(*POOLS, "--buckets", "random,all", "--json")
    assert (code, progress) == (0, "")
    assert [cell["bucket"] for cell in json.loads(output)["cells"]] == ["random", "all"]


def test_a_dry_run_lists_the_sets(condense):
    code, output, _ = condense(*POOLS, "--dry-run", "--seeds", "2")
    assert code == 0
    assert "   2  to do     networks of 10-30, ipc 1, seed 0: DM, 1 image per class, 3 steps; 1 network of 1 epoch\n" in output
    assert not Path("pools").exists()


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("--bounds", "10,x"), "Expected whole numbers from 1 for --bounds"),
        (("--bounds", "30,10"), "PoolRecipe: expected bounds to be increasing percentages"),
        (("--buckets", "random,good"), "There is no bucket 'good' of networks."),
        (("--method", "herding"), "herding draws no networks in its steps."),
        (("nowhere",), "There is no comparison of pools in nowhere."),
    ],
)
def test_wrong_arguments_exit_with_a_short_error(condense, arguments, output):
    code, _, errors = condense("pools", "-d", "digits", *arguments)
    assert code == 2
    assert f"condense: {output}" in errors


@pytest.mark.slow
def test_ctrl_c_keeps_finished_work_and_prints_how_to_resume(condense):
    long = [*POOLS, "pool.networks=3", "pool.recipe.epochs=20"]
    code, output = interrupted(long, "[3 of 8] network 2")
    assert code == 130
    assert "finished work is kept" in output
    assert "condense pools --config pools/digits/settings.json --out pools/digits" in output
    code, _, progress = condense(*long)
    assert code == 0
    assert "[2 of 8] network 1 of the pool: finished\n[3 of 8] network 2 of the pool: to do" in progress
    assert condense(*long, "--out", "unbroken")[0] == 0
    broken, unbroken = (json.loads((Path(folder) / "pools.json").read_text()) for folder in ("pools/digits", "unbroken"))
    assert broken["pool"] == unbroken["pool"]
    assert broken["cells"] == unbroken["cells"]
