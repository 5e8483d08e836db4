"""How fast are image files read: on one thread and on all, at a smaller scale of the decoder, and from the cache?

python -m benchmarks.reading
python -m benchmarks.reading --folder FOLDER     of a person's own, such as scripts/make_mixed_folder.py makes
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import RESULTS, in_turns, save
from condensation.data.dataset import ReadOptions
from condensation.data.decode import decode as pictures
from condensation.data.decode import parallel as decoding
from condensation.data.decode.list_files import ListedFile, list_images
from condensation.data.decode.parallel import PendingImages, file_image, read_split, thread_count

# What a start is: a new process that imports the package and loads.
START = """
import json, sys, time
started = time.perf_counter()
from condensation import load
imported = time.perf_counter()
data = load(sys.argv[1])
print(json.dumps({"import": imported - started, "load": time.perf_counter() - imported, "images": len(data.train) + len(data.test)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="images to decode; by default photographs are made up")
    parser.add_argument("--photographs", type=int, default=200, metavar="N", help="1600 x 1200 JPEGs")
    parser.add_argument("--small", type=int, default=50_000, metavar="N", help="32 x 32 PNGs, for the start from the cache")
    parser.add_argument("--size", type=int, default=64, metavar="N", help="what photographs are scaled to")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--device", default="cpu", help="not asked for: files are read on the CPU")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the result")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or make_photographs(Path(made) / "photographs", asked.photographs)
        files, _ = list_images(folder)
        result: dict[str, Any] = {"decoding": {"files": len(files), "bytes": sum(file.stamp[0] for file in files), "size": asked.size}}
        result["decoding"] |= decode(files, asked.size, asked.rounds)
        if asked.small:
            result["start"] = starts(make_small(Path(made) / "small", asked.small), Path(made) / "cache", asked.rounds)
    print(json.dumps(result, indent=1))
    save("reading", result, asked.out, of=f"{asked.folder.name if asked.folder else 'photographs'}-{asked.size}px")


def decode(files: list[ListedFile], size: int, rounds: int) -> dict[str, Any]:
    """Seconds for all of ``files``: by threads, and with whole JPEGs decoded; and by how much pixels then differ."""

    def read(count: int, scale: int) -> np.ndarray:
        decoding.thread_count, pictures.DRAFT = (lambda: count), scale  # type: ignore[assignment]
        items = [file_image(file.path, file.name, 0) for file in files]
        part, _ = read_split(PendingImages(items, len(items), "the benchmark"), None, ReadOptions(size, skip_bad=True))
        return part.images.numpy().astype(np.int16)

    scale, never, count = pictures.DRAFT, 1_000_000, thread_count()
    works = {
        "1 thread": lambda: read(1, scale),
        f"{count} threads": lambda: read(count, scale),
        "1 thread, whole JPEGs": lambda: read(1, never),
    }
    seconds = in_turns(works, "cpu", rounds)
    return {"seconds": seconds, "mean_difference_from_whole_jpegs": float(np.abs(read(1, scale) - read(1, never)).mean())}


def starts(folder: Path, cache: Path, rounds: int) -> dict[str, Any]:
    """Seconds of the first start, and of the fastest after it."""
    environment = {**os.environ, "CONDENSATION_CACHE": str(cache)}
    call = [sys.executable, "-c", START, str(folder)]
    found = [json.loads(subprocess.run(call, check=True, capture_output=True, env=environment).stdout) for _ in range(rounds + 1)]
    return {"first": found[0], "from_cache": min(found[1:], key=lambda one: one["import"] + one["load"])}


def make_photographs(folder: Path, count: int) -> Path:
    """Smooth noise with grain: what a JPEG decoder finds in a photograph."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        smooth = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 6, (1200, 1600, 1))
        Image.fromarray((np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=88)
    return folder


def make_small(folder: Path, count: int) -> Path:
    """Noise in ten classes."""
    rng = np.random.default_rng(1)
    for number in range(count):
        place = folder / f"class {number % 10}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(place / f"{number}.png", compress_level=0)
    return folder


if __name__ == "__main__":
    main()
