"""The example of federated learning with Flower: server and clients as separate processes on this machine."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "federated_flower" / "run.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("flwr") is None, reason="needs flwr: pip install '.[federated]'")
def test_clients_send_their_sets_to_the_server_once() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(EXAMPLE), "--clients", "2", "--config", "steps=5 epochs=30"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("2 clients sent")]
    assert float(line.split("Test accuracy: ")[1].split()[0]) > 50
