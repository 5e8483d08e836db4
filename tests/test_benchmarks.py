"""The benchmarks run, record the machine, and compare equal results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = {
    "search": "--rounds 1 --ipc 1 --size 8 --channels 1 --networks 2 --epochs 1".split(),
    "startup": ["--rounds", "1"],
    "compiling": "--rounds 1 --size 8 --channels 1 --width 4 --train-batch 10 --embed-batch 2".split(),
    "reading": ["--rounds", "1", "--photographs", "4", "--small", "40"],
    "winograd": "--rounds 1 --images 2 --chunk 2 --batch 2 --width 8 --size 8".split(),
    "pieces": "--rounds 1 --batch 64 --width 4".split(),
    "patches": "--rounds 1 --batch 2 --chunk 2 --width 64 --coloured 8 --grey 8".split(),
    "dc_step": "--rounds 1 --ipc 1 --batch-per-class 2 --width 4 --size 8 --classes 3 --outer 2 --inner 1 --compiled 0".split(),
    "dm_step": ["--rounds", "1", "--ipc", "1", "--batch-per-class", "2", "--width", "4", "--size", "8", "--classes", "3"],
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in ("compiling", "winograd", "pieces", "patches") else []) for name in SMALL],
)
def test_a_benchmark_records_its_result_and_the_machine(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", f"benchmarks.{name}", *SMALL[name], "--device", "cpu", "--out", str(tmp_path)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob(f"{name}-*.json")
    result = json.loads(written.read_text())
    assert {"command", "commit", "cpu", "cpu_capability", "bfloat16", "threads", "torch"} <= result["made_by"].keys()
    if name in ("dm_step", "dc_step"):
        assert result["apart"] < 0.1


def test_the_gpu_script_names_what_it_skips() -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "LIMIT": "0", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", ROOT / "benchmarks" / "gpu.sh"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "skipped, for the time is over: 60 startup" not in done.stdout
    assert "skipped, for the time is over: startup" in done.stdout
    assert "skipped, for torch finds no GPU here: " in done.stdout
