"""The command under torchrun: one process prints and writes, and a killed process loses nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from condensation import CondensedSet

pytestmark = pytest.mark.slow
SETTINGS = ["--data", "digits", "--ipc", "2", "--preset", "classic", "method.networks.spec.width=8", "method.batch_per_class=16"]
SETTINGS += ["compute.chunk=16", "compute.compile=never", "method.steps=60", "evaluation.networks=2", "evaluation.recipe.epochs=2"]
KILLS = int(os.environ.get("CONDENSATION_KILLS", "3"))  # killed processes in all
KILLS_OF_A_RUN = 5  # most of it is the start of processes, so a run is killed several times


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


@pytest.mark.timeout(900)  # each kill costs the start of two processes
@pytest.mark.parametrize("trial", range(-(-KILLS // KILLS_OF_A_RUN)))
def test_killed_processes_are_started_again_and_lose_nothing(tmp_path: Path, single: CondensedSet, trial: int) -> None:
    out, rng = tmp_path / "run", random.Random(trial)
    kills = min(KILLS_OF_A_RUN, KILLS - trial * KILLS_OF_A_RUN)
    words = command(out, 2, "--checkpoint-every", "0", restarts=kills)
    targets, killed, log = sorted(rng.sample(range(55), kills)), set[int](), out / "log.jsonl"
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        reader = ThreadPoolExecutor(1).submit(process.communicate)  # a full pipe would stop the processes
        for target in targets:
            while process.poll() is None:
                alive = workers(process.pid)
                if alive and killed.isdisjoint(alive) and target <= (len(log.read_text().splitlines()) if log.exists() else 0):
                    break
                time.sleep(0.01)
            assert process.poll() is None, (target, reader.result())
            os.kill(rng.choice(alive), signal.SIGKILL)
            killed.update(alive)
        output, errors = reader.result(timeout=300)
    assert process.returncode == 0, (targets, output[-2000:], errors[-4000:])
    assert_same(out, single)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == list(range(1, 61))
