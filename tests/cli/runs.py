"""Small runs for the tests of the command."""

import io
import os
import subprocess
import sys
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np

import condensation
from condensation.cli import main as cli

FAST = (
    "method.steps=6 method.batch_per_class=4 method.networks.spec.width=8 evaluation.networks=1 evaluation.network.width=8 "
    "evaluation.recipe.epochs=2 compute.precision=float32 compute.compile=never"
).split()
RUN = ("run", "-d", "digits", "-i", "1", *FAST)
KEPT = {name: value for name, value in os.environ.items() if name != "CONDENSATION_DATA"}  # the user's data sets are hidden
ENVIRONMENT = {**KEPT, "PYTHONPATH": str(Path(condensation.__file__).parent.parent), "OMP_NUM_THREADS": "1"}


def call(*words: object) -> tuple[int, str]:
    """Run the command in this process; return its exit code and all output, 1 and the traceback for an error that it does not handle."""
    text = io.StringIO()
    with mock.patch.object(sys, "argv", ["condense", *map(str, words)]), redirect_stdout(text), redirect_stderr(text):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), text.getvalue()
        except Exception:
            return 1, text.getvalue() + traceback.format_exc()
    raise AssertionError("main() always exits")


def make(*words: object) -> None:
    """Run the command in this process; it must succeed."""
    code, said = call(*words)
    assert code == 0, said


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
