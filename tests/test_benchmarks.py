"""The benchmarks run, record the machine, and compare equal results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OPTIONS = {
    "search": "--rounds 1 --ipc 1 --size 8 --channels 1 --networks 2 --epochs 1",
    "startup": "--rounds 1",
    "compiling": "--rounds 1 --size 8 --channels 1 --width 4 --train-batch 10 --embed-batch 2",
    "reading": "--rounds 1 --photographs 4 --small 40",
    "winograd": "--rounds 1 --images 2 --chunk 2 --batch 2 --width 8 --size 8",
    "pieces": "--rounds 1 --batch 64 --width 4",
    "patches": "--rounds 1 --batch 2 --chunk 2 --width 64 --coloured 8 --grey 8",
    "dc_step": "--rounds 1 --ipc 1 --batch-per-class 2 --width 4 --size 8 --classes 3 --outer 2 --inner 1 --compiled 0",
    "scale-pack": "pack --classes 2 --per-class 20 --size 8 --steps 1 --width 4",
    "scale-studies": "studies --rounds 1 --short 1 --long 2",
    "form_step": "--rounds 1 --ipc 1 --batch-per-class 2 --width 4 --size 16 --classes 3",
    "dm_step": "--rounds 1 --ipc 1 --batch-per-class 2 --width 4 --size 8 --classes 3",
}
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", OPTIONS)
def test_a_benchmark_records_its_result_and_the_machine(name: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        f"benchmarks.{name.partition('-')[0]}",
        *OPTIONS[name].split(),
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.returncode == 0, process.stderr
    (file,) = tmp_path.glob(f"{name}-*.json")
    result = json.loads(file.read_text())
    assert {"command", "commit", "cpu", "cpu_capability", "bfloat16", "threads", "torch"} <= result["made_by"].keys()
    if name == "scale-pack":
        assert result["same_pixels"]
        assert result["reached"]["memory"]
    if name == "scale-studies":
        assert [search["same_accuracies"] for search in result["searches"].values()] == [True, True]
    if name in ("dm_step", "dc_step"):
        assert result["apart"] < 0.1


def test_the_gpu_script_names_what_it_skips() -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "LIMIT": "0", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    process = subprocess.run(["bash", ROOT / "benchmarks" / "gpu.sh"], capture_output=True, text=True, env=environment)
    assert process.returncode == 0, process.stderr
    skipped = [line for line in process.stdout.splitlines() if line.startswith("skipped")]
    assert [line.partition(":")[0] for line in skipped] == ["skipped (out of time)", "skipped (out of time)", "skipped (no GPU)"]
    assert skipped[0].endswith(": startup")
