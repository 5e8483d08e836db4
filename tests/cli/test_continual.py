"""``condense continual`` on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.runs import running_until

pytestmark = pytest.mark.usefixtures("elsewhere")

SMALL = "dm.steps=3 dm.batch_per_class=4 evaluation.network.width=8 compute.precision=float32 compute.compile=never".split()
CONTINUAL = ("continual", "-d", "digits", "-m", "random,dm", "--steps", "2", "-i", "1", "--orders", "1", "--networks", "1", "--epochs", "1")
CONTINUAL += tuple(SMALL)


def test_curves_are_made_and_printed_again(condense):
    code, output, progress = condense(*CONTINUAL)
    assert code == 0
    assert "[1 of 8] memory of random, order 0, step 1: to do" in progress
    assert "[8 of 8] networks on memories of dm, order 0, steps 1 to 2: to do" in progress
    assert "Handwritten digits: 2 steps, 1 image of each class in memory" in output
    folder = Path("continual/digits-2steps-ipc1")
    files = {"settings.json", "continual.json", "continual.md", "continual.png", "memories", "steps"}
    assert {path.name for path in folder.iterdir()} == files
    assert json.loads((folder / "memories/dm-order0-step1/settings.json").read_text())["settings"]["method"]["steps"] == 3
    assert condense("continual", folder) == (0, output, "")
    code, repeated, progress = condense("continual", "--config", folder / "settings.json")
    assert (code, repeated) == (0, output)
    assert progress.count(": finished") == 8


def killed(arguments, after):
    """Run the command in a process, and kill it once it prints ``after``."""
    with running_until(arguments, after) as (process, _):
        process.kill()


def numbers(folder):
    """All that decides the curves: every byte of the memories, every accuracy."""
    sets = {path.parent.name: path.read_bytes() for path in Path(folder).rglob("set.safetensors")}
    return sets, json.loads((Path(folder) / "continual.json").read_text())["curves"]


@pytest.mark.slow
def test_a_killed_study_resumes_to_the_same_results_without_repeating_work(condense):
    assert condense(*CONTINUAL, "-o", "unbroken", "-q")[0] == 0
    killed((*CONTINUAL, "-o", "broken"), "[5 of 8]")
    done = [*Path("broken").rglob("set.safetensors"), *Path("broken").glob("steps/*-after-*")]
    before = {path: path.stat().st_mtime_ns for path in done}
    assert len(before) >= 4
    code, _, progress = condense(*CONTINUAL, "-o", "broken")
    assert code == 0
    assert progress.count(": finished") >= 4
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    assert numbers("broken") == numbers("unbroken")


def test_json_output_of_curves(condense):
    code, output, progress = condense(*(entry for entry in CONTINUAL if not entry.startswith("dm.")), "-m", "random", "--json")
    assert (code, progress) == (0, "")
    assert [point["seen"] for point in json.loads(output)["curves"]["random"]] == [5, 10]


def test_a_dry_run_lists_the_memories_with_their_steps(condense):
    code, output, _ = condense(*CONTINUAL, "--orders", "2", "--dry-run")
    assert code == 0
    assert "   2  to do     memory of dm, order 0, step 1: DM, 1 image per class, 3 steps\n" in output
    assert "8 of 8 jobs to do, in continual/digits-2steps-ipc1/memories." in output
    code, output, _ = condense(*CONTINUAL, "--orders", "2", "--dry-run", "memory=shared")
    assert "2 of 2 jobs to do" in output
    assert not Path("continual").exists()


def test_methods_come_from_a_file(condense):
    Path("methods.toml").write_text("""
        [methods.gentle]
        name = "dm"
        lr = 0.1
        [methods.wild]
        name = "dm"
        lr = 1e30
    """)
    without = [entry for entry in CONTINUAL if entry not in ("-m", "random,dm") and not entry.startswith("dm.")]
    settings = [f"{name}.{entry}" for name in ("gentle", "wild") for entry in ("steps=3", "batch_per_class=4")]
    code, output, progress = condense(*without, "--config", "methods.toml", "--out", "out", *settings)
    assert code == 1
    assert "2 jobs failed; the same command tries again." in progress
    assert "wild-order0-step1 failed: The loss or a pixel was not a finite number" in output
    fewer = condense("continual", "--config", "out/settings.json", "--out", "out", "-m", "gentle")
    assert fewer[0] == 0
    assert "wild" not in fewer[1] + fewer[2]
    kept = json.loads(Path("out/memories/gentle-order0-step1/settings.json").read_text())["settings"]["method"]
    assert (kept["lr"], kept["steps"]) == (0.1, 3)


def test_data_sets_in_sequence(condense):
    sequence = ("continual", "--tasks", "digits,fashion-mini", "--size", "8", "-m", "random", "-i", "1", "--orders", "1")
    code, output, _ = condense(*sequence, "--networks", "1", "--epochs", "1", *SMALL[2:])
    assert code == 0
    assert "digits then fashion-mini: 1 image of each class in memory" in output
    assert "data sets seen" in output
    assert Path("continual/digits-fashion-mini-2steps-ipc1/continual.png").exists()


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("-m", "dn"), "There is no method 'dn'. Did you mean 'dm'?"),
        (("nowhere",), "There is no study of continual learning in nowhere."),
        (("-d", "digits", "--steps", "7"), "steps is 7, but digits has 10 classes"),
        (("--tasks", "digits,fashion-mini"), "Images of digits are 8 x 8, those of fashion-mini 28 x 28"),
        (("--tasks", "digits"), "tasks names only digits."),
        (("dn.steps=3",), "ContinualSettings has no setting 'dn'."),
        (("herding.steps=3",), "Herding has no setting 'steps'."),
        (("memory=all",), "memory is 'all'; it must be one of own, shared."),
    ],
)
def test_wrong_arguments_exit_with_a_short_error(condense, arguments, output):
    code, _, errors = condense("continual", *arguments)
    assert code == 2
    assert f"condense: {output}" in errors
    assert "Traceback" not in errors
