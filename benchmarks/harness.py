"""What all benchmarks share: timing in turns, made-up images, and a file with the machine's capability."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from condensation import ConvNet, ImageSet, Rng, Standardize
from condensation.core.environment import machine
from condensation.core.images import Shape
from condensation.core.storage import write_json
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier
from condensation.networks.layers import Stack

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "benchmarks"


def arguments(description: str | None, **numbers: int) -> argparse.Namespace:
    """The command line: a whole number for each name, and where the result goes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, metavar="N")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the result")
    return parser.parse_args()


def made_up(shape: tuple[int, int, int], classes: int, per_class: int) -> ImageSet:
    """Images of noise, for questions of speed alone: no operation here asks what is in an image."""
    pixels = Rng(0).child("pixels").generator().integers(0, 256, (classes * per_class, *shape), dtype="uint8")
    labels = torch.arange(classes).repeat_interleave(per_class)
    channels = torch.full((shape[0],), 0.5), torch.full((shape[0],), 0.25)
    return ImageSet.of(torch.from_numpy(pixels), labels, preprocessing=Standardize(*channels))


def layer_by_layer(width: int, shape: Shape) -> Classifier:
    """A ConvNet whose first convolution and norm are not made one, which other benchmarks ask about."""
    network = ConvNet(width=width).build(shape, 10, Rng(0))
    assert isinstance(network, Stack)
    network.features = nn.Sequential(*network.features)
    return network


def timed(work: Callable[[], object], device: str) -> float:
    """Seconds that ``work`` takes, until the device is done with it."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def in_turns(works: Mapping[str, Callable[[], object]], device: str, rounds: int) -> dict[str, float]:
    """The median seconds of each of ``works``, one after the other in every round, so that all meet the same machine."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(timed(work, device))
    return {name: median(of_one) for name, of_one in seconds.items()}


def steps(**sides: Callable[[Rng], object]) -> dict[str, Callable[[], object]]:
    """What does the next step of each of ``sides``; all are given the same streams, so that their pixels can be compared."""

    def next_of(step: Callable[[Rng], object]) -> Callable[[], object]:
        numbers = count()
        return lambda: step(Rng(0).child("step", next(numbers)))

    return {name: next_of(step) for name, step in sides.items()}


def moves_apart(ours: SyntheticImages, plain: SyntheticImages) -> float:
    """How far the images of both are from each other, as a part of how far those of ``plain`` have moved."""
    moved = plain.images - plain.start.images
    return float((ours.images - plain.images).detach().norm() / moved.detach().norm())


def save(name: str, result: Mapping[str, Any], out: Path, device: str = "cpu", of: str = "") -> None:
    """Write ``result`` of the benchmark ``name``, about ``of``, as JSON with all that is needed to place it."""
    path = out / f"{'-'.join(filter(None, (name, of, machine_name(device))))}.json"
    command = " ".join(["python -m", f"benchmarks.{name}", *_asked(sys.argv[1:])])
    made_by = {"command": command, "commit": _commit(), "device": device, **about(device)}
    write_json(path, {"made_by": made_by, **result})
    print(f"written to {path}")


def _asked(words: Sequence[str]) -> list[str]:
    """What was asked for on the command line, but for the places where the result and the run are kept."""
    return [word for before, word in zip(["", *words], words, strict=False) if not {"--out", "--runs"} & {before, word}]


def about(device: str) -> dict[str, str | int]:
    """What a timing must state of the machine."""
    found = machine()
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else "none"
    return {**found, "gpu": gpu, "cpu_capability": f"{found['cpu']}{_asked_for()}", "cpu": _cpu()}


def machine_name(device: str) -> str:
    """A short name for the kind of machine, to tell files apart."""
    found = about(device)
    words = found["gpu"] if found["gpu"] != "none" else f"{found['cpu_capability']} {found['bfloat16']} bf16 {found['threads']} threads"
    return "-".join(str(words).lower().split())


def _asked_for() -> str:
    """Said of a processor that was told to do without some of what it has: it is not such a machine."""
    return " by request" if os.environ.get("ATEN_CPU_CAPABILITY") else ""


def _commit() -> str:
    """The commit that is measured, marked if the code differs from it; results may."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks", "tests")
    return (git("describe", "--always") or "unknown") + ("-dirty" if changed else "")


def _cpu() -> str:
    names = [line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
