"""Small runs for the tests of the command."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import condensation

FAST = (
    "method.steps=6 method.batch_per_class=4 method.networks.spec.width=8 evaluation.networks=1 evaluation.network.width=8 "
    "evaluation.recipe.epochs=2 compute.precision=float32 compute.compile=never"
).split()
RUN = ("run", "-d", "digits", "-i", "1", *FAST)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(condensation.__file__).parent.parent), "OMP_NUM_THREADS": "1"}


def colour_data(folder, classes=2, side=8):
    """Write a data set of random colour images and return its folder."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part in ("train", "test"):
        images = generator.integers(0, 256, (10 * classes, side, side, 3), dtype=np.uint8)
        np.savez(folder / f"{part}.npz", images=images, labels=np.arange(10 * classes) % classes)
    return folder


@contextmanager
def running_until(arguments, after):
    """Run the command in a process until it prints ``after``; yield the process and what it has printed."""
    command = [sys.executable, "-u", "-m", "condensation", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        output = ""
        while after not in output:
            line = process.stderr.readline()
            assert line, output
            output += line
        yield process, output
