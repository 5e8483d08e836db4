"""Runs that are interrupted by a signal."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.runs import ENVIRONMENT, RUN, make

pytestmark = pytest.mark.usefixtures("elsewhere")


LONG = (*RUN, "method.form=none", "method.steps=200", "evaluation.networks=0")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Return the bytes of the set of an uninterrupted long run."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "out"
    make(*LONG, "-o", folder, "-q")
    return (folder / "set.safetensors").read_bytes()


def started(arguments, condition):
    """Start the command and return its process once ``condition`` holds."""
    process = subprocess.Popen([sys.executable, "-m", "condensation", *arguments], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    until = time.monotonic() + 200
    while not condition() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    return process


def logged(lines):
    return lambda: Path("out/log.jsonl").exists() and len(Path("out/log.jsonl").read_bytes().splitlines()) >= lines


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state(condense, uninterrupted, number):
    process = started([*LONG, "-o", "out", "-q", "--checkpoint-every", "1000"], logged(20))
    process.send_signal(number)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 130
    assert re.search(r"The state after step \d+ is saved.", said)
    assert "--resume (the folder is out)" in said
    assert not Path("out/set.safetensors").exists()
    assert condense(*LONG, "-o", "out", "-q", "--resume") == (0, "", "")
    assert Path("out/set.safetensors").read_bytes() == uninterrupted


@pytest.mark.slow
def test_a_killed_run_resumes_from_its_checkpoint(condense, uninterrupted):
    process = started([*LONG, "-o", "out", "-q", "--checkpoint-every", "0.02"], logged(20))
    time.sleep(np.random.default_rng().uniform(0, 0.5))
    process.kill()
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    assert condense(*LONG, "-o", "out", "-q", "--resume") == (0, "", "")
    assert Path("out/set.safetensors").read_bytes() == uninterrupted
    steps = [json.loads(line)["step"] for line in Path("out/log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 201))
    assert not list(Path("out").glob(".*"))


@pytest.mark.slow
def test_ctrl_c_during_the_evaluation_keeps_the_set(condense):
    arguments = [*RUN, "evaluation.recipe.epochs=1000000", "-o", "out"]
    process = started([*arguments, "-q"], Path("out/grid.png").exists)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "The set is saved; its evaluation is not." in said
    assert condense("show", "out", "-o", "a.png")[0] == 0


RARE = ("typer", "condensation.cli.app", "numpy", "condensation.runs.run")


@pytest.mark.parametrize(
    "module", ["condensation.cli", "torch.nn.modules", *(pytest.param(module, marks=pytest.mark.slow) for module in RARE)]
)
@pytest.mark.parametrize("arguments", [RUN, pytest.param(("methods",), marks=pytest.mark.slow)], ids=["run", "methods"])
def test_ctrl_c_during_an_import_ends_in_one_line(module, arguments):
    # Tests that run in the background ignore Ctrl-C, and so would the command.
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from condensation.__main__ import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", begin, *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=ENVIRONMENT) as process:
        while (line := process.stderr.readline()) and line.rpartition("|")[2].strip() != module:
            pass
        if not line:
            pytest.skip(f"{arguments[0]} does not import {module}")
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr.read().splitlines() if not line.startswith("import time:")]
    assert said == ["condense: Stopped."]
    assert process.returncode == 130
    assert not Path("out").exists()


@pytest.mark.parametrize("command", ["show", "export", "evaluate"])
def test_a_command_on_an_unfinished_run_tells_its_step_and_how_to_go_on(refused, command):
    Path("out").mkdir()
    Path("out/settings.json").write_text(json.dumps({"settings": {"method": {"steps": 200}, "ipc": 1, "baseline": True}}))
    words = (command, "out", *(["--to", "npz"] if command == "export" else []))
    assert "The run in out is not finished: it stopped before its first step." in refused(*words)
    Path("out/log.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"st')
    said = refused(*words)
    assert "stopped after step 1 of 200" in said
    assert "--resume" in said
