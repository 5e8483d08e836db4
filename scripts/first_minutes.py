"""Do what new users do, step by step, and record the time of each step in results/first-minutes.json.

    python -m scripts.first_minutes [--python PATH]

The commands run in an empty folder with an empty cache, on all cores, so the machine should have nothing else to do.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.harness import ROOT, cpu_seconds_of_children, made_by
from PIL import Image

from condensation.core.storage import write_json

RESULT = ROOT / "results" / "first-minutes.json"
SMALL = "--preset classic method.steps=100 method.networks.spec.width=32 evaluation.network.width=32"
RUN = f"run --data photos --size 64 --ipc 2 --skip-bad {SMALL} --out runs/photos"
TABLE = "table --methods random,dm,own_method.py:KMeans -d digits -i 1 --seeds 1 --networks 2 --epochs 60 dm.steps=100 --out tables/mine"
INTERRUPT = 12  # seconds before Ctrl-C
# Steps of each path: what one wants, and the arguments of `condense`, or the page whose Python code is run.
PATHS: dict[str, tuple[tuple[str, str], ...]] = {
    "Photographs of one's own": (
        ("look at the images", "data show photos --size 64 --skip-bad"),
        ("ask for the plan", f"{RUN} --dry-run"),
        (f"condense, Ctrl-C after {INTERRUPT} s", RUN),
        ("go on to the end", f"{RUN} --resume"),
        ("draw the set", "show runs/photos"),
        ("write the page", "report runs/photos"),
        ("export for plain PyTorch", "export runs/photos --to npz"),
    ),
    "A method of one's own beside DM": (
        ("list its settings", "methods own_method.py:KMeans"),
        ("make a table", TABLE),
        ("print it for a paper", "table tables/mine --to latex,csv"),
    ),
    "A memory for continual learning": (("run the recipe", "recipes-continual.md"),),
}


def draw_photographs(folder: Path) -> None:
    """Write 400 pictures of 5 classes in several sizes, one file that is no picture, and one that is cut short."""
    generator = np.random.default_rng(0)
    for label in range(5):
        place = folder / f"class-{label}"
        place.mkdir(parents=True)
        for number in range(80):
            height, width = (int(side) for side in generator.integers(80, 400, 2))
            y, x = np.mgrid[0:height, 0:width]
            waves = [np.sin((label + 1) * (x / width * shift + y / height) * 6 + number) for shift in (1, 2, 3)]
            pixels = np.stack(waves, -1) * 80 + 120 + generator.normal(0, 20, (height, width, 3))
            Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(place / f"{number}.jpg")
    (folder / "class-0" / "notes.txt").write_text("not a picture")
    (folder / "class-1" / "0.jpg").write_bytes((folder / "class-1" / "1.jpg").read_bytes()[:2000])


def work(python: str, place: Path) -> Iterator[dict[str, Any]]:
    """Yield each step with its seconds. Exit if one fails."""
    draw_photographs(place / "photos")
    (place / "own_method.py").write_text((ROOT / "examples" / "own_method.py").read_text(encoding="utf-8"), encoding="utf-8")
    environment = {**os.environ, "CONDENSATION_CACHE": str(place / "cache")}
    for path, steps in PATHS.items():
        for wish, text in steps:
            shown, command = text, [python, "-m", "condensation", *text.split()]
            if text.endswith(".md"):
                blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / text).read_text(encoding="utf-8"), re.M | re.S)
                (place / "recipe.py").write_text("\n".join(blocks), encoding="utf-8")
                shown, command = f"the Python of docs/{text}", [python, "recipe.py"]
            before, started = cpu_seconds_of_children(), time.perf_counter()
            process = subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            interrupted = "Ctrl-C" in wish
            try:
                process.communicate(timeout=INTERRUPT if interrupted else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                process.communicate()
            if process.returncode and not interrupted:
                sys.exit(f"condense {text} failed: exit status {process.returncode}")
            seconds = round(time.perf_counter() - started, 1)
            yield {
                "path": path,
                "wish": wish,
                "command": shown,
                "seconds": seconds,
                "cpu_seconds": round(cpu_seconds_of_children() - before, 1),
            }


def main() -> None:
    """Do all steps and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment where the library is installed")
    python = parser.parse_args().python
    steps = []
    with tempfile.TemporaryDirectory() as folder:
        for step in work(python, Path(folder)):
            print(f"{step['seconds']:7.1f} s  {step['cpu_seconds']:7.1f} CPU s  {step['wish']}", flush=True)
            steps.append(step)
    write_json(RESULT, {**made_by(), "steps": steps})


if __name__ == "__main__":
    main()
