"""Measure whether memory grows with ``batch_per_class``, and what the largest common set needs.

    python -m benchmarks.memory

Each case runs in its own process. The operating system reports its peak; on a GPU, the allocator of PyTorch does.
"""

import json
import resource
import subprocess
import sys

import torch

from benchmarks.harness import ROOT, noise_images, parse_options, save
from condensation import DM, Compute, Rng
from condensation.core.ipc import images_per_class

# Name: classes, real images per class, ipc, batch_per_class.
CASES = {
    **{f"CIFAR10, ipc 10, {batch} real images per class": (10, 5000, 10, batch) for batch in (64, 256, 1024)},
    "CIFAR100, ipc 10, 256 real images per class": (100, 500, 10, 256),
}


def peak(case: tuple[int, int, int, int], steps: int, device: str) -> int:
    """Return the peak memory of ``steps`` steps in MB, computed as in a run of 20,000 steps."""
    classes, per_class, ipc, batch = case
    compute = Compute(device=device).resolve()
    real = noise_images((3, 32, 32), classes, per_class).to(compute.device)
    method = DM(steps=20_000, batch_per_class=batch)
    state = method.init(real, images_per_class(real, ipc), Rng(0).child("init"), compute)
    for step in range(steps):
        method.step(state, real, Rng(0).child("step", step))
    if compute.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(compute.device) // 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS reports bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def main() -> None:
    options = parse_options(__doc__, steps=2)
    megabytes: dict[str, int] = {}
    for name, case in CASES.items():
        code = f"from benchmarks.memory import peak; print(peak({case}, {options.steps}, {options.device!r}))"
        process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        megabytes[name] = json.loads(process.stdout.splitlines()[-1])
        print(f"{name}: {megabytes[name]:,} MB", flush=True)
    save("memory", {"megabytes": megabytes, "steps": options.steps}, options.out, Compute(device=options.device).resolve().device)


if __name__ == "__main__":
    main()
