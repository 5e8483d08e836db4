"""Shared parts of the benchmarks: alternating timings, images of noise, and result files that describe the machine."""

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from condensation import ConvNet, ImageSet, Rng, Standardize
from condensation.core.environment import machine, versions
from condensation.core.images import Shape
from condensation.core.storage import write_json
from condensation.methods.synthetic import SyntheticImages
from condensation.networks.base import Classifier
from condensation.networks.layers import Stack

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "benchmarks"


def parse_options(description: str | None, **numbers: int) -> argparse.Namespace:
    """Parse the command line: an integer option for each of ``numbers``, the device, and the folder of the result."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, metavar="N", help=f"default: {default}")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    return parser.parse_args()


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of a benchmark for its result file: all options except the device and the folder."""
    return {name: value for name, value in vars(options).items() if name not in ("device", "out")}


def noise_images(shape: Shape, classes: int, per_class: int) -> ImageSet:
    """Return 8-bit images of noise. The speed of an operation does not depend on the content of images."""
    pixels = Rng(0).child("pixels").generator().integers(0, 256, (classes * per_class, *shape), dtype="uint8")
    labels = torch.arange(classes).repeat_interleave(per_class)
    channels = torch.full((shape[0],), 0.5), torch.full((shape[0],), 0.25)
    return ImageSet.of(torch.from_numpy(pixels), labels, preprocessing=Standardize(*channels))


def unfused_convnet(width: int, shape: Shape) -> Classifier:
    """Return a ConvNet that computes its first convolution and norm separately."""
    network = ConvNet(width=width).build(shape, 10, Rng(0))
    assert isinstance(network, Stack)
    network.features = nn.Sequential(  # type: ignore[assignment]  # on purpose not the fused one
        *network.features
    )
    return network


def timed(work: Callable[[], object], device: str) -> float:
    """Return the seconds that ``work`` takes, including what it leaves running on the device."""
    synchronize(device)
    started = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def median_seconds(alternatives: Mapping[str, Callable[[], object]], device: str, rounds: int) -> dict[str, float]:
    """Return the median seconds of each alternative. Every round times each of them, so that all meet the same load of the machine."""
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(rounds):
        for name, work in alternatives.items():
            seconds[name].append(timed(work, device))
    return {name: median(values) for name, values in seconds.items()}


def compare_outputs(alternatives: Mapping[str, Callable[[], Tensor]], rounds: int) -> dict[str, Any]:
    """Return the seconds on the CPU of two alternatives, the first a reference, their ratio, and the relative distance of their outputs."""
    reference, output = (work().double() for work in alternatives.values())
    seconds = median_seconds(alternatives, "cpu", rounds)
    before, after = seconds.values()
    return {"seconds": seconds, "ratio": before / after, "apart": float((output - reference).norm() / reference.norm())}


def milliseconds(comparison: Mapping[str, Any]) -> str:
    """Describe a result of `compare_outputs` for the terminal."""
    times = ", ".join(f"{1000 * seconds:.1f} ms {name}" for name, seconds in comparison["seconds"].items())
    return f"{times}: {comparison['ratio']:.2f} times faster"


def numbered_steps(**alternatives: Callable[[Rng], object]) -> dict[str, Callable[[], object]]:
    """Return functions that do the next step of each alternative. All draw from the same streams, so their pixels can be compared."""

    def numbered(step: Callable[[Rng], object]) -> Callable[[], object]:
        numbers = count()
        return lambda: step(Rng(0).child("step", next(numbers)))

    return {name: numbered(step) for name, step in alternatives.items()}


def relative_distance(ours: SyntheticImages, plain: SyntheticImages) -> float:
    """Return the distance of the images of both, divided by the distance that those of ``plain`` have moved."""
    moved = plain.images - plain.template.images
    return float((ours.images - plain.images).detach().norm() / moved.detach().norm())


def save(name: str, result: Mapping[str, Any], out: Path, device: str = "cpu", case: str = "") -> None:
    """Write the result of the benchmark ``name`` as JSON, with the command, the commit and the machine. ``case`` is for the file name."""
    path = out / f"{'-'.join(filter(None, (name, case, machine_name(device))))}.json"
    command = " ".join(["python -m", f"benchmarks.{name}", *_without_paths(sys.argv[1:])])
    made_by = {"command": command, "commit": LOADED, "date": date.today().isoformat(), "device": device, **machine_facts(device)}
    write_json(path, {"made_by": made_by, **result})
    print(f"written to {path}")


def _without_paths(words: Sequence[str]) -> list[str]:
    """Return the command line without the folders of the result and of the run."""
    return [word for before, word in zip(["", *words], words, strict=False) if not {"--out", "--runs"} & {before, word}]


def machine_facts(device: str) -> dict[str, str | int]:
    """Return the properties of the machine that a timing depends on."""
    facts = machine()
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else "none"
    # A processor that is restricted to an older instruction set is slower or faster than one that has nothing newer.
    restricted = " by request" if os.environ.get("ATEN_CPU_CAPABILITY") else ""
    return {**facts, "gpu": gpu, "cpu_capability": f"{facts['cpu']}{restricted}", "cpu": _cpu_model()}


def machine_name(device: str) -> str:
    """Return a short name of the kind of machine, for file names."""
    facts = machine_facts(device)
    words = facts["gpu"] if facts["gpu"] != "none" else f"{facts['cpu_capability']} {facts['bfloat16']} bf16 {facts['threads']} threads"
    return "-".join(str(words).lower().split())


def cpu_seconds_of_children() -> float:
    """Return the CPU seconds of all programs that this one ran to their end, which other work on the machine does not prolong."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def made_by() -> dict[str, Any]:
    """Return the commit, the machine and the versions that a result comes from."""
    return {"commit": LOADED, "machine": machine(), "versions": versions()}


def commit() -> str:
    """Return the measured commit, marked as dirty if the code differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks", "experiments", "tests")
    return (git("describe", "--always") or "unknown") + ("-dirty" if changed else "")


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


LOADED = commit()  # of the code that is loaded: the working tree may change while a benchmark runs
