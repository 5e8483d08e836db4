"""Does memory grow with ``batch_per_class``, and what does the largest usual set need?

    python -m benchmarks.memory

Each size is a process of its own, whose peak is taken from the operating system (on a GPU, from its allocator).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import torch

from benchmarks.harness import ROOT, arguments, made_up, save
from condensation import DM, Compute, condense

# Name: classes, real images of each, ipc, batch_per_class.
CASES = {
    **{f"CIFAR10, ipc 10, {batch} real images a class": (10, 5000, 10, batch) for batch in (64, 256, 1024)},
    "CIFAR100, ipc 10, 256 real images a class": (100, 500, 10, 256),
}


def peak(case: tuple[int, int, int, int], steps: int, device: str) -> int:
    """Megabytes at the worst moment of so many steps."""
    classes, per_class, ipc, batch = case
    condense(DM(steps=steps, batch_per_class=batch), made_up((3, 32, 32), classes, per_class), ipc, compute=Compute(device=device))
    if Compute(device=device).chosen().device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() // 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def main() -> None:
    asked = arguments(__doc__, steps=2)
    megabytes: dict[str, int] = {}
    for name, case in CASES.items():
        code = f"from benchmarks.memory import peak; print(peak({case}, {asked.steps}, {asked.device!r}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        megabytes[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name}: {megabytes[name]:,} MB", flush=True)
    save("memory", {"megabytes": megabytes, "steps": asked.steps}, asked.out)


if __name__ == "__main__":
    main()
