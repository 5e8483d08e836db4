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
from condensation import DM, Compute, Rng
from condensation.core.ipc import images_per_class

# Name: classes, real images of each, ipc, batch_per_class.
CASES = {
    **{f"CIFAR10, ipc 10, {batch} real images a class": (10, 5000, 10, batch) for batch in (64, 256, 1024)},
    "CIFAR100, ipc 10, 256 real images a class": (100, 500, 10, 256),
}


def peak(case: tuple[int, int, int, int], steps: int, device: str) -> int:
    """Megabytes at the worst moment of so many steps, computed as in a run of 20,000."""
    classes, per_class, ipc, batch = case
    compute = Compute(device=device).resolve()
    real = made_up((3, 32, 32), classes, per_class).to(compute.device)
    method = DM(steps=20_000, batch_per_class=batch)
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), compute)
    for step in range(steps):
        method.step(state, real, Rng(0).child("step", step))
    if compute.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(compute.device) // 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def main() -> None:
    asked = arguments(__doc__, steps=2)
    megabytes: dict[str, int] = {}
    for name, case in CASES.items():
        code = f"from benchmarks.memory import peak; print(peak({case}, {asked.steps}, {asked.device!r}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        megabytes[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name}: {megabytes[name]:,} MB", flush=True)
    save("memory", {"megabytes": megabytes, "steps": asked.steps}, asked.out, Compute(device=asked.device).resolve().device)


if __name__ == "__main__":
    main()
