"""Time commands as a user types them: condensing, evaluation of the set and of random real images, pictures and report.

    python -m benchmarks.commands

Each command runs in a new folder with an empty cache, on all cores, so the machine should have nothing else to do. The result is
results/commands.json; commands that it holds are not repeated.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, commit
from condensation.core.environment import machine, versions
from condensation.core.storage import read_json, write_json
from condensation.evaluation.scores import Scores
from condensation.runs.files import SCORES

COMMANDS = (
    "condense run --data digits --ipc 1",
    "condense run --data digits --ipc 10",
    "condense run --data fashion-mini --ipc 1",
    "condense run --data fashion-mini --ipc 10",
    "condense run --data fashion-mini --ipc 10 --preset classic",
)


def measure(command: str) -> dict[str, Any]:
    """Run a command and return its wall time and accuracies. Exit if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CONDENSATION_CACHE": f"{folder}/cache"}
        arguments = [sys.executable, "-m", "condensation", *shlex.split(command)[1:], "--out", "run"]
        started = time.perf_counter()
        subprocess.run(arguments, cwd=folder, env=environment, check=True)
        seconds = time.perf_counter() - started
        scores = Scores.read(Path(folder, "run", SCORES))
    sets = {name: {"mean": score.mean, "deviation": score.deviation, "count": score.count} for name, score in scores.sets.items()}
    return {"seconds": round(seconds, 1), "sets": sets, "commit": commit(), "machine": machine(), "versions": versions()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS.parent / "commands.json", help="the result file")
    path = parser.parse_args().out
    results: dict[str, Any] = read_json(path) if path.exists() else {}
    for command in COMMANDS:
        if command not in results:
            results[command] = measure(command)
            print(f"{command}: {results[command]['seconds']} s", flush=True)
            write_json(path, results)


if __name__ == "__main__":
    main()
