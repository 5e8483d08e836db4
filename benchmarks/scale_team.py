"""Measure a run of several processes, and simulate one of up to 1,000 from its costs.

    python -m benchmarks.scale team                       # two processes of one thread against one, in turns
    python -m benchmarks.scale team --part classes        # cost of a step per class with 100, 1,000 and 10,000 classes
    python -m benchmarks.scale team --part hosts          # two network namespaces as two hosts (needs root and the program ip)
    python -m benchmarks.scale team --part simulate       # from the result of the first

Processors may be shared with other work, so CPU seconds count; the wall clock is recorded too.
"""

import argparse
import hashlib
import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.harness import RESULTS, ROOT, noise_images, save
from condensation import DM, Checkpoint, Compute, ConvNet, Fresh, Rng, condense
from condensation.core.team import Team, assigned
from condensation.methods.step_info import StepInfo

RANKS = (1, 2, 8, 32, 128, 512, 1000)
COLLECTIVES = 200  # sums, and draws of networks, that are timed
PAGE, MARKS = ROOT / "docs" / "scale.md", ("<!-- measured: team -->", "<!-- end -->")
# By hand: ImageNet-1K at 64 px, 10 images and 256 real images per class, ConvNet of width 128, 20,000 steps; see docs/scale.md.
IMAGENET = {"classes": 1000, "steps": 20_000, "operations": 119e12, "operations_per_second": 18e12, "fixed": 0.015, "collective": 0.001}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.scale team", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("speed", "classes", "hosts", "simulate"), default="speed")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs on each side, of which the median counts")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="steps that are timed, after one that is not")
    parser.add_argument("--real", type=int, default=256, metavar="N", help="real images per class and step")
    parser.add_argument("--width", type=int, default=128, metavar="N")
    parser.add_argument("--size", type=int, default=32, metavar="N", help="side of the images in pixels")
    parser.add_argument("--channels", type=int, default=3, metavar="N")
    parser.add_argument("--classes", type=int, default=10, metavar="N")
    parser.add_argument("--ipc", type=int, default=10, metavar="N")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        return work(options)
    result = {"speed": speed, "classes": classes, "hosts": hosts, "simulate": simulate}[options.part](options)
    settings = {name: value for name, value in vars(options).items() if name not in ("out", "worker")}
    save("scale_team", {"settings": settings, **result}, options.out, case=options.part)
    return None


def work(options: argparse.Namespace) -> None:
    """Condense in one process of a team, and write the times of its steps to the folder ``--worker``."""
    torch.set_num_threads(1)
    real = noise_images((options.channels, options.size, options.size), options.classes, options.real)
    times: list[tuple[float, float]] = []

    def note(info: StepInfo) -> None:
        times.append((time.process_time(), time.perf_counter()))

    method = DM(steps=options.steps + 1, batch_per_class=options.real, networks=Fresh(ConvNet(width=options.width)))
    compute = Compute(device="cpu", precision=options.precision, compile="never")
    size, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    result: dict[str, Any] = {}
    try:
        with Team.join() as team:
            shared = team if size > 1 else None
            checkpoint = Checkpoint(options.worker / "checkpoint.safetensors", 0) if options.part == "hosts" else None
            made = condense(method, real, options.ipc, compute=compute, observers=[note], team=shared, checkpoint=checkpoint)
            result["digest"] = hashlib.sha256(made.images.numpy().tobytes()).hexdigest()
            told = torch.zeros(4 + options.classes, dtype=torch.float64)
            before = time.process_time(), time.perf_counter()
            for _ in range(COLLECTIVES):
                team.sum(told)
            after = time.process_time(), time.perf_counter()
            result["collective"] = [(end - begin) / COLLECTIVES for begin, end in zip(before, after, strict=True)]
    except ValueError as error:  # the connection was lost
        result["error"] = str(error)
    gaps = [[end - begin for begin, end in zip(*pair, strict=True)] for pair in pairwise(times[1:])]
    result["cpu"], result["wall"] = ([gap[kind] for gap in gaps] for kind in (0, 1))
    (options.worker / f"{rank}.json").write_text(json.dumps(result))


def started(options: argparse.Namespace, processes: int, folder: Path, **extra: Any) -> list[subprocess.Popen[bytes]]:
    """Start the processes of a team."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ("part", "steps", "real", "width", "size", "channels", "classes", "ipc", "precision")
    words = [word for name in names for word in (f"--{name}", str(extra.get(name, getattr(options, name))))]
    program = [sys.executable, "-m", "benchmarks.scale", "team", *words, "--worker", str(folder)]
    prefix: Sequence[Sequence[str]] = extra.get("prefix", [[]] * processes)
    workers = []
    for rank in range(processes):
        place = {"RANK": rank, "WORLD_SIZE": processes, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        place |= {"OMP_NUM_THREADS": 1, **extra.get("environment", {})}
        environment = {**os.environ, **{name: str(value) for name, value in place.items()}}
        workers.append(subprocess.Popen([*prefix[rank], *program], env=environment, cwd=ROOT))
    return workers


def measured(options: argparse.Namespace, processes: int, **extra: Any) -> dict[str, Any]:
    """Return the CPU and wall-clock seconds of a step of the slowest process, the digest of the images, and the cost of a collective."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for worker in started(options, processes, folder, **extra):
            if worker.wait():
                raise SystemExit("A process failed.")
        results = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]
    assert len({result["digest"] for result in results}) == 1
    slowest = {kind: max(median(result[kind]) for result in results) for kind in ("cpu", "wall")}
    return {**slowest, "digest": results[0]["digest"], "collective": results[0]["collective"]}


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Compare several processes with one, in turns, in both precisions."""
    found = {}
    for precision in ("float32", "bfloat16"):
        sides: dict[int, list[dict[str, Any]]] = {1: [], options.processes: []}
        for _ in range(options.rounds):
            for processes, results in sides.items():
                results.append(measured(options, processes, precision=precision))
        seconds = {kind: {str(count): median(one[kind] for one in results) for count, results in sides.items()} for kind in ("cpu", "wall")}
        ratio = {kind: both["1"] / both[str(options.processes)] for kind, both in seconds.items()}
        equal = len({one["digest"] for results in sides.values() for one in results}) == 1
        found[precision] = {"seconds": seconds, "ratio": ratio, "equal": equal, "collective": sides[options.processes][-1]["collective"]}
        print(f"{precision}: {ratio['cpu']:.2f} times by CPU seconds, {ratio['wall']:.2f} by the clock; equal to the last bit: {equal}")
    return found


def classes(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the CPU seconds of a step per class with few and many classes, small images and a narrow network."""
    tiny = {"size": 32, "channels": 1, "real": 16, "ipc": 1, "width": 16}
    costs = {str(count): measured(options, 1, classes=count, **tiny)["cpu"] / count for count in (100, 1_000, 10_000)}
    spread = max(costs.values()) / min(costs.values())
    print(", ".join(f"{count} classes: {1e6 * cost:.0f} us" for count, cost in costs.items()), f"per class; ratio {spread:.2f}")
    return {"seconds_per_class": costs, "spread": spread}


def hosts(options: argparse.Namespace) -> dict[str, Any]:
    """Run two processes in two network namespaces, without and with a link that is down for 10 s; say what happened."""
    outcomes: dict[str, Any] = {}
    for seconds in (0, 10):
        with TemporaryDirectory() as name:
            outcomes[f"down for {seconds} s"] = _between_namespaces(options, Path(name), seconds)
    return outcomes


def _between_namespaces(options: argparse.Namespace, folder: Path, down: int) -> dict[str, Any]:
    spaces = [f"team{os.getpid()}{side}" for side in "ab"]
    try:
        for space in spaces:
            _ip("netns", "add", space)
        _ip("link", "add", "va", "netns", spaces[0], "type", "veth", "peer", "name", "vb", "netns", spaces[1])
        for number, space in enumerate(spaces):
            device = f"v{'ab'[number]}"
            _ip("-n", space, "addr", "add", f"10.77.0.{number + 1}/24", "dev", device)
            for name in (device, "lo"):
                _ip("-n", space, "link", "set", name, "up")
        prefix = [["ip", "netns", "exec", space, "env", f"GLOO_SOCKET_IFNAME=v{'ab'[number]}"] for number, space in enumerate(spaces)]
        environment = {"MASTER_ADDR": "10.77.0.1", "MASTER_PORT": 29511}
        begun = time.perf_counter()
        workers = started(options, 2, folder, prefix=prefix, environment=environment)
        manifest = folder / "checkpoint" / "manifest.json"
        while down and not (manifest.exists() and json.loads(manifest.read_text())["steps"][0] >= 1) and workers[0].poll() is None:
            time.sleep(0.05)
        if down:
            _ip("-n", spaces[0], "link", "set", "va", "down")
            time.sleep(down)
            _ip("-n", spaces[0], "link", "set", "va", "up")
        for worker in workers:
            worker.wait(timeout=900)
        results = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
        kept = json.loads(manifest.read_text())["steps"][0] if manifest.exists() else None
        outcome = {"errors": [result.get("error") for result in results], "seconds": time.perf_counter() - begun, "checkpoint": kept}
        print(f"link down for {down} s: {outcome}; digests {[result.get('digest', '')[:8] for result in results]}")
        return outcome
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def simulate(options: argparse.Namespace) -> dict[str, Any]:
    """Simulate the steps of 1 to 1,000 processes from measured costs, and estimate ImageNet-1K from published operation counts."""
    path = max(options.out.glob("scale_team-speed-*.json"), key=lambda file: file.stat().st_mtime)
    content = json.loads(path.read_text())
    cost = content["float32"]
    per_class, pair = cost["seconds"]["cpu"]["1"] / content["settings"]["classes"], cost["collective"][1]
    fixed = _redraw(content["settings"])
    seconds = {ranks: _step(1000, ranks, per_class - fixed / content["settings"]["classes"], fixed, pair) for ranks in RANKS}
    on_gpu = IMAGENET["operations"] / IMAGENET["operations_per_second"] / IMAGENET["classes"]
    hours = {ranks: IMAGENET["steps"] / 3600 * _step(1000, ranks, on_gpu, IMAGENET["fixed"], IMAGENET["collective"]) for ranks in RANKS}
    lines = ["| processes | step on CPUs | times as fast | ImageNet-1K on GPUs | times as fast |", "| --- | --- | --- | --- | --- |"]
    for ranks in RANKS:
        times = [f"{values[1] / values[ranks]:.0f}" for values in (seconds, hours)]
        lines.append(f"| {ranks:,} | {seconds[ranks]:.3g} s | {times[0]} | {hours[ranks]:.2g} h | {times[1]} |")
    print("\n".join(lines))
    text = PAGE.read_text()
    before, after = text.split(MARKS[0])[0], text.split(MARKS[0])[1].split(MARKS[1], 1)[1]
    PAGE.write_text(before + MARKS[0] + "\n" + "\n".join(lines) + "\n" + MARKS[1] + after)
    costs = {"per_class": per_class, "fixed": fixed, "collective_of_two": pair}
    return {"from": path.name, "costs": costs, "step_seconds": seconds, "imagenet": IMAGENET, "imagenet_hours": hours}


def _redraw(settings: dict[str, Any]) -> float:
    """Return the CPU seconds in which a process draws the network of a step, which does not depend on its classes."""
    torch.set_num_threads(1)
    sampler = Fresh(ConvNet(width=settings["width"]))
    network = sampler.network((settings["channels"], settings["size"], settings["size"]), settings["classes"], "cpu")
    before = time.process_time()
    for number in range(COLLECTIVES):
        sampler.redraw(network, Rng(number))
    return (time.process_time() - before) / COLLECTIVES


def _step(count: int, ranks: int, per_class: float, fixed: float, pair: float) -> float:
    """Return the seconds of a step: the classes of the fullest process, a fixed cost, and a sum in a tree of the processes."""
    return per_class * max(map(len, assigned([1] * count, ranks))) + fixed + pair * math.ceil(math.log2(ranks))
