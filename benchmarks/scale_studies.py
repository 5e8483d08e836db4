"""Measure an architecture search of 8 networks in one process, in worker processes, and with ``auto``.

    python -m benchmarks.scale studies                  python -m benchmarks.scale studies --rounds 1 --short 1 --long 20

Each search is a command of its own, with one thread per process, so that its results are the same on all sides. Two lengths of training
are compared, in epochs on all images. Wall-clock seconds depend on what else the machine does; the seconds of the CPU are those of the
command and of all its processes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import RESULTS, ROOT, cpu_seconds_of_children, save
from condensation.studies.executors import Processes

SPACE = 'width = [32]\ndepth = [1, 2]\nnorm = ["none", "instance"]\nactivation = ["relu"]\npooling = ["max", "avg"]\n'
NETWORKS = 8  # of the space
COMPUTE = ("compute.precision=float32", "compute.compile=never")
SIDES = {"one process": "processes:1", "processes": "processes:{workers}", "auto": "auto"}
Cost = dict[str, float]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.scale studies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="searches on each side, of which the median counts")
    parser.add_argument("--short", type=int, default=1, metavar="N", help="epochs of the short trainings")
    parser.add_argument("--long", type=int, default=40, metavar="N", help="epochs of the long trainings")
    parser.add_argument("--device", default="cpu", help="ignored: the processes share the cores")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args(arguments)
    start = measured(begin_a_worker)
    print(f"start of a worker: {told(start)}")
    result: dict[str, Any] = {"start_of_a_worker": start, "searches": {}}
    for length, epochs in (("short", options.short), ("long", options.long)):
        result["searches"][length] = compare(epochs, options.workers, options.rounds)
    settings = {name: getattr(options, name) for name in ("workers", "rounds", "short", "long")}
    save("scale", {"settings": settings, **result}, options.out, case="studies")


def compare(epochs: int, workers: int, rounds: int) -> dict[str, Any]:
    """Return the cost of a search on each side, and whether all found the same accuracies."""
    costs: dict[str, list[Cost]] = {side: [] for side in SIDES}
    found = []
    for _ in range(rounds):
        for side, executor in SIDES.items():
            with TemporaryDirectory() as folder:
                costs[side].append(measured(partial(search, Path(folder), executor.format(workers=workers), epochs, workers)))
                found.append(accuracies(Path(folder) / "nas"))
    middle = {side: {name: median(cost[name] for cost in each) for name in ("wall", "cpu")} for side, each in costs.items()}
    for side, cost in middle.items():
        print(f"{NETWORKS} networks, {epochs} epochs, {side}: {told(cost)}")
    faster = middle["one process"]["wall"] / middle["processes"]["wall"]
    return {"epochs": epochs, "seconds": middle, "processes_are_faster": faster, "same_accuracies": all(each == found[0] for each in found)}


def search(folder: Path, executor: str, epochs: int, workers: int) -> None:
    """Do a search by the command; ``auto`` takes as many processes as it has threads."""
    (folder / "space.toml").write_text(SPACE)
    command = [sys.executable, "-m", "condensation", "nas", "-d", "digits", "-i", "1", "--proxies", "random", "--trainings", "1", "--quiet"]
    command += ["--epochs", "1", "--whole-epochs", str(epochs), "--space", "space.toml", "--out", "nas", "--on", executor, *COMPUTE]
    threads = 1 if executor == "processes:1" else workers
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT / "src")}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def accuracies(folder: Path) -> dict[str, Any]:
    """Return all accuracies of a search."""
    networks = json.loads((folder / "nas.json").read_text())["networks"]
    return {name: {label: (entry["validation"], entry["test"]) for label, entry in done.items()} for name, done in networks.items()}


def begin_a_worker() -> None:
    with Processes(1) as processes:
        processes.submit(import_studies).result()


def import_studies() -> None:
    """Import what a task needs."""
    import condensation.studies.registry  # noqa: F401


def measured(work: Callable[[], object]) -> Cost:
    """Return the seconds of the clock, and those of the CPU in child processes that have ended."""
    started, before = time.perf_counter(), cpu_seconds_of_children()
    work()
    return {"wall": time.perf_counter() - started, "cpu": cpu_seconds_of_children() - before}


def told(cost: Cost) -> str:
    return f"{cost['wall']:.1f} s, {cost['cpu']:.1f} s of the CPU"
