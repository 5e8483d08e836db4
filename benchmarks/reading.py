"""Time the reading of image files: on one thread and on all, at a smaller scale of the decoder, and from the cache.

python -m benchmarks.reading
python -m benchmarks.reading --folder FOLDER     such as the folder that scripts/make_mixed_folder.py makes
"""

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

from benchmarks.harness import RESULTS, median_seconds, save
from condensation.data.dataset import ReadOptions
from condensation.data.decode import decode, parallel
from condensation.data.decode.list_files import ListedFile, list_images
from condensation.data.decode.parallel import PendingImages, file_image, read_splits, thread_count

# A start is a new process that imports the package and loads a folder.
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
    parser.add_argument("--folder", type=Path, help="images to decode; default: generated photographs")
    parser.add_argument("--photographs", type=int, default=200, metavar="N", help="number of generated JPEGs of 1600 x 1200 pixels")
    parser.add_argument("--small", type=int, default=50_000, metavar="N", help="number of 32 x 32 PNGs that a start loads; 0 skips it")
    parser.add_argument("--size", type=int, default=64, metavar="N", help="side of the decoded images")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--device", default="cpu", help="ignored: files are read on the CPU")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or make_photographs(Path(temporary) / "photographs", options.photographs)
        files, _ = list_images(folder)
        result: dict[str, Any] = {"decoding": {"files": len(files), "bytes": sum(file.stamp[0] for file in files), "size": options.size}}
        result["decoding"] |= time_decoding(files, options.size, options.rounds)
        if options.small:
            small = make_small(Path(temporary) / "small", options.small)
            result["start"] = time_starts(small, Path(temporary) / "cache", options.rounds)
    print(json.dumps(result, indent=1))
    save("reading", result, options.out, case=f"{options.folder.name if options.folder else 'photographs'}-{options.size}px")


def time_decoding(files: list[ListedFile], size: int, rounds: int) -> dict[str, Any]:
    """Return the seconds for all files by threads, and with JPEGs decoded at full scale; and the mean difference of the pixels."""

    def read(count: int, scale: int) -> np.ndarray:
        parallel.thread_count, decode.DRAFT = (lambda: count), scale
        images = [file_image(file.path, file.name, 0) for file in files]
        raw = read_splits(PendingImages(images, len(images), "the benchmark"), None, ReadOptions(size, skip_bad=True))
        return np.asarray(raw.train.images, dtype=np.int16)

    scale, full, count = decode.DRAFT, 1_000_000, thread_count()
    alternatives = {
        "1 thread": lambda: read(1, scale),
        f"{count} threads": lambda: read(count, scale),
        "1 thread, whole JPEGs": lambda: read(1, full),
    }
    seconds = median_seconds(alternatives, "cpu", rounds)
    return {"seconds": seconds, "mean_difference_from_whole_jpegs": float(np.abs(read(1, scale) - read(1, full)).mean())}


def time_starts(folder: Path, cache: Path, rounds: int) -> dict[str, Any]:
    """Return the seconds of the first start, and of the fastest later one."""
    environment = {**os.environ, "CONDENSATION_CACHE": str(cache)}
    command = [sys.executable, "-c", START, str(folder)]
    starts = [json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout) for _ in range(rounds + 1)]
    return {"first": starts[0], "from_cache": min(starts[1:], key=lambda start: start["import"] + start["load"])}


def make_photographs(folder: Path, count: int) -> Path:
    """Write JPEGs of smooth noise with grain, which cost a decoder as much as photographs."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        smooth = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 6, (1200, 1600, 1))
        Image.fromarray((np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=88)
    return folder


def make_small(folder: Path, count: int) -> Path:
    """Write PNGs of noise in ten classes."""
    rng = np.random.default_rng(1)
    for number in range(count):
        class_folder = folder / f"class {number % 10}"
        class_folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(class_folder / f"{number}.png", compress_level=0)
    return folder


if __name__ == "__main__":
    main()
