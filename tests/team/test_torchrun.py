"""The command under torchrun: one process prints and writes, and a killed process loses nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from condensation import CondensedSet

pytestmark = pytest.mark.slow
SETTINGS = ["--data", "digits", "--ipc", "2", "--preset", "classic", "method.networks.spec.width=8", "method.batch_per_class=16"]
SETTINGS += ["compute.chunk=16", "compute.compile=never", "method.steps=60", "evaluation.networks=2", "evaluation.recipe.epochs=2"]
KILLS = int(os.environ.get("CONDENSATION_KILLS", "3"))  # trials with a killed process; 20 take half an hour


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2] / "src")}


def command(out: Path, processes: int, *words: str, restarts: int = 0) -> list[str]:
    """Return the command of a run in several processes, or in one."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--max-restarts", str(restarts)]
    return [sys.executable, *(torchrun if processes > 1 else []), "-m", "condensation", "run", *SETTINGS, "--out", str(out), *words]


def done(out: Path, processes: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(out, processes, *words), env=environment(), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> CondensedSet:
    """Result of one process."""
    out = tmp_path_factory.mktemp("single") / "run"
    assert done(out, 1).returncode == 0
    return CondensedSet.load(out)


def assert_same(out: Path, single: CondensedSet) -> None:
    made = CondensedSet.load(out)
    assert torch.equal(made.images.images, single.images.images)
    assert made.card["scores"]["sets"] == single.card["scores"]["sets"]


def test_two_processes_print_once_and_write_the_same(tmp_path: Path, single: CondensedSet) -> None:
    finished = done(tmp_path / "run", 2)
    assert finished.returncode == 0, finished.stderr
    assert_same(tmp_path / "run", single)
    assert CondensedSet.load(tmp_path / "run").card["processes"] == 2
    assert finished.stdout.count("Set:") == 1
    assert finished.stderr.count("condensing 60/60") == 1
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 60
    again = done(tmp_path / "run", 2)  # the folder is taken
    assert again.returncode
    assert again.stderr.count("holds this run already") == 1
    assert "Traceback" not in again.stderr.partition("torch.distributed.elastic")[0].partition("Traceback")[0]


def test_a_method_that_needs_one_process_is_refused_in_one_line(tmp_path: Path) -> None:
    words = [*command(tmp_path / "run", 2)[: -len(SETTINGS) - 2], "--data", "digits", "--method", "kip", "--out", str(tmp_path / "run")]
    refused = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=300)
    assert refused.stderr.count("KIP runs in one process.") == 1
    assert not (tmp_path / "run").exists()


def workers(parent: int) -> list[int]:
    """Return the processes that ``parent`` started."""
    children = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name_and_rest = place.read_text().rpartition(")")[2].split()
            if int(name_and_rest[1]) == parent:
                children.append(int(place.parent.name))
    return children


@pytest.mark.parametrize("trial", range(KILLS))
def test_a_killed_process_is_started_again_and_loses_nothing(tmp_path: Path, single: CondensedSet, trial: int) -> None:
    out, rng = tmp_path / "run", random.Random(trial)
    words = command(out, 2, "--checkpoint-every", "0", restarts=3)
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        target, log = rng.randrange(0, 50), out / "log.jsonl"
        while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < target):
            time.sleep(0.01)
        victims = workers(process.pid)
        if victims:
            os.kill(rng.choice(victims), signal.SIGKILL)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, (target, output[-2000:], errors[-4000:])
    assert victims
    assert_same(out, single)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == list(range(1, 61))
