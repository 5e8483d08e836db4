"""Pack a data set that is larger than the memory, start from the pack, and compare its steps with those from memory.

    python -m benchmarks.scale pack --share 0.01       python -m benchmarks.scale pack

Images of a formula are packed class by class, and deleted at the end; with --files, they are image files.

Each stage is a process of its own, whose address
space is limited (RLIMIT_AS); the parent reads its anonymous memory from smaps_rollup. The disk is read without what the system has
kept of the files ("cold"), and with it ("warm").
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.harness import RESULTS, ROOT, save
from condensation import DM, Compute, ConvNet, Fresh, ImageSet, Rng, load
from condensation.cli.main import main as command
from condensation.core import stored_images
from condensation.core.memory import readable
from condensation.core.stored_images import StoredImages
from condensation.data.dataset import RawData, ReadOptions
from condensation.data.decode.decode import DecodedImage
from condensation.data.decode.parallel import PendingData, PendingImage, PendingImages
from condensation.data.formats import registry
from condensation.data.formats.format import Format
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings

GB = 10**9
STEP_SEED = 0
SOURCE = "images.formula"
GOALS = {"start_seconds": 5.0, "anonymous_bytes": 1.5 * GB, "steps_ratio": 1.2}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.scale pack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, help="share of the classes; default: 1")
    parser.add_argument("--classes", type=int, default=1000, metavar="N")
    parser.add_argument("--per-class", type=int, default=1300, metavar="N")
    parser.add_argument("--size", type=int, default=64, metavar="N", help="side of the images in pixels")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="steps that are timed, after one that is not")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="real images per class and step")
    parser.add_argument("--width", type=int, default=32, metavar="N", help="channels of the ConvNet")
    parser.add_argument("--limit", type=float, default=4.0, metavar="GB", help="address space of each process")
    parser.add_argument("--files", action="store_true", help="write the images as files, which are packed; else they come from the formula")
    parser.add_argument("--device", default="cpu", help="ignored: the limit is one of the main memory")
    parser.add_argument("--runs", type=Path, help="where the images are written for a while; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    options = parser.parse_args(arguments)
    classes = max(2, round(options.classes * options.share))
    settings = {name: getattr(options, name) for name in ("share", "per_class", "size", "steps", "batch", "width", "files")}
    needed = (3 if options.files else 1.1) * classes * options.per_class * options.size**2 * 3  # files take whole blocks of the disk
    with tempfile.TemporaryDirectory(dir=options.runs) as temporary:
        if needed > (free := shutil.disk_usage(temporary).free):
            sys.exit(f"{readable(int(needed))} are needed in {temporary}, and {readable(free)} are free.")
        result = measure(Path(temporary), classes, options)
        started = time.perf_counter()
    result["seconds"]["delete"] = time.perf_counter() - started
    print(json.dumps(result, indent=1))
    limit = {"bytes": int(options.limit * GB), "kind": "address space of each process (RLIMIT_AS)"}
    save(
        "scale",
        {"settings": {"classes": classes, **settings}, "limit": limit, "goals": GOALS, **result},
        options.out,
        case=f"pack-{classes}-classes",
    )


def measure(folder: Path, classes: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return seconds and memory of all stages."""
    images, started = FormulaImages(classes, options.per_class, options.size), time.perf_counter()
    if options.files:
        write_files(folder / SOURCE, images)
    else:
        (folder / SOURCE).write_text(json.dumps(asdict(images)))
    result: dict[str, Any] = {"seconds": {"write_source": time.perf_counter() - started}, "stages": {}}
    for name, stage in (
        ("pack", "pack"),
        ("start", "start"),
        ("cold", "steps"),
        ("warm", "steps"),
        ("memory", "steps"),
        ("run", "command"),
    ):
        if name in ("start", "cold"):
            forget(folder / "pack")
        result["stages"][name] = run_stage(stage, folder, options, memory=name == "memory")
        print(f"{name}: {json.dumps(result['stages'][name])}", flush=True)
    stages = result["stages"]
    ways = ("cold", "warm", "memory")
    for kind in ("seconds_of_steps", "cpu_seconds_of_steps"):  # beside other work, the CPU seconds are what to trust
        seconds = {way: median(stages[way][kind]) for way in ways}
        result[f"{kind}_ratio"] = {way: seconds[way] / seconds["memory"] for way in ways[:2]}
    result["same_pixels"] = len({stages[name]["pixels"] for name in ways}) == 1
    result["reached"] = {
        "start": stages["start"]["seconds_to_data"] < GOALS["start_seconds"],
        "memory": all(stage["anonymous_bytes"] - stage.get("synthetic_bytes", 0) <= GOALS["anonymous_bytes"] for stage in stages.values()),
        "steps": max(result["cpu_seconds_of_steps_ratio"].values()) <= GOALS["steps_ratio"],
    }
    return result


@dataclass(frozen=True)
class FormulaImages:
    """Images of a formula, read one by one as if each was a file: waves of each class, with noise of each image."""

    classes: int
    per_class: int
    size: int

    def __iter__(self) -> Iterator[PendingImage]:
        for label in range(self.classes):
            images = self.images_of(label)
            for number in range(self.per_class):
                yield PendingImage(f"class {label:04}/{number:05}", label, partial(self._read, images[number]))

    def images_of(self, label: int) -> np.ndarray:
        rows, columns = np.meshgrid(np.arange(self.size), np.arange(self.size), indexing="ij")
        angle = 2 * np.pi * (rows * (1 + label % 7) + columns * (1 + label % 11)) / self.size
        wave = 64 + 63 * np.sin(angle + np.arange(3)[:, None, None] + label)
        noise = np.frombuffer(np.random.default_rng(label).bytes(self.per_class * wave.size), dtype=np.uint8)
        return noise.reshape(self.per_class, *wave.shape) // 2 + wave.astype(np.uint8)

    def _read(self, image: np.ndarray, options: ReadOptions) -> DecodedImage:
        return DecodedImage(image, "RGB", (self.size, self.size))


def pending(path: Path, options: ReadOptions) -> PendingData:
    """Return the images whose numbers are in the file at ``path``."""
    images = FormulaImages(**json.loads(path.read_text()))
    labels = np.repeat(np.arange(images.classes), images.per_class).tolist()
    names = tuple(f"class {label:04}" for label in range(images.classes))
    return PendingData(PendingImages(images, len(labels), "the formula", names, labels), None, "", {}, [images])


def no_read(path: Path, options: ReadOptions) -> RawData:
    raise NotImplementedError("the images are read class by class")


FORMULA = Format("a formula", lambda path: path.suffix == ".formula" and path.is_file(), no_read, pending=pending)


def write_files(folder: Path, images: FormulaImages) -> None:
    """Write the images as PPM files, class by class."""
    for label in range(images.classes):
        place = folder / f"class {label:04}"
        place.mkdir(parents=True)
        header = f"P6 {images.size} {images.size} 255\n".encode()
        for number, image in enumerate(images.images_of(label).transpose(0, 2, 3, 1)):
            (place / f"{number:05}.ppm").write_bytes(header + image.tobytes())


def forget(folder: Path) -> None:
    """Let the system forget what it has kept of the files in ``folder``."""
    os.sync()
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run_stage(stage: str, folder: Path, options: argparse.Namespace, *, memory: bool) -> dict[str, Any]:
    """Run a stage in a process with limited address space; return what it prints, its CPU seconds and its anonymous memory."""
    settings = {"folder": str(folder), "steps": options.steps, "batch": options.batch, "width": options.width, "memory": memory}
    code = f"from benchmarks import scale_pack as part; part.print_result(part.{stage}_stage, {settings!r})"
    limit = int(options.limit * GB)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CONDENSATION_CACHE": "none", "STARTED": str(time.time())}
    anonymous = 0
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    ) as process:
        while process.poll() is None:
            anonymous = max(anonymous, anonymous_memory(process.pid))
            time.sleep(0.05)
        assert process.stdout
        said = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the stage {stage} failed")
    return {**json.loads(said.splitlines()[-1]), "anonymous_bytes": anonymous}


def anonymous_memory(process: int) -> int:
    """Return the anonymous memory of a process in bytes; 0 if it has ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))
    return 0


def print_result(stage: Callable[..., dict[str, Any]], settings: dict[str, Any]) -> None:
    started = time.perf_counter()
    result = stage(**settings)
    print(json.dumps({**result, "seconds": time.perf_counter() - started, "cpu_seconds": time.process_time()}))


def pack_stage(folder: str, **_: Any) -> dict[str, Any]:
    """Pack the files."""
    registry.FORMATS = (FORMULA, *registry.FORMATS)
    reached: list[float] = []
    started = time.perf_counter()

    def checking(done: int, total: int) -> None:
        reached.append(time.perf_counter() - started)

    index = pack(DataSettings(str(Path(folder) / SOURCE)), Path(folder) / "pack", on_checking=checking)
    return {"bytes": sum(index.files.values()), "seconds_reading": reached[0], "seconds_checking": reached[-1] - reached[0]}


def start_stage(folder: str, **_: Any) -> dict[str, Any]:
    """Start: a new process imports the package and reads the index."""
    imported = time.time()
    data = load(Path(folder) / "pack")
    started = float(os.environ["STARTED"])
    return {"seconds_to_import": imported - started, "seconds_to_data": time.time() - started, "images": len(data.train) + len(data.test)}


def command_stage(folder: str, **_: Any) -> dict[str, Any]:
    """Do a run of the command, which also writes its card and its pictures."""
    place = Path(folder)
    sys.argv = ["condense", "run", "--data", str(place / "pack"), "--ipc", "1", "--method", "random", "--out", str(place / "run")]
    sys.argv += ["--evaluate", "none", "--quiet"]
    try:
        command()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"the command ended with {end.code}") from None
    return {"files": sorted(path.name for path in (place / "run").iterdir())}


def steps_stage(folder: str, steps: int, batch: int, width: int, memory: bool) -> dict[str, Any]:
    """Do steps of DM on the pack, or on those of its images that the steps draw, in memory."""
    stored_images.IN_MEMORY = 0  # also with a small share
    real: ImageSet = load(Path(folder) / "pack").train
    assert isinstance(real.images, StoredImages)
    method = DM(steps=steps + 1, batch_per_class=batch, networks=Fresh(ConvNet(width=width)))
    state = method.init(
        real, dict.fromkeys(real.classes, 1), Rng(STEP_SEED).child("init"), Compute(device="cpu", compile="never").resolve()
    )
    if memory:
        real = OnlyDrawn.in_steps(real, steps, batch)
    wall, cpu = [], []
    for step in range(steps + 1):
        started, used = time.perf_counter(), time.process_time()
        method.step(state, real, Rng(STEP_SEED).child("step", step))
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    images = state.source.snapshot().images
    pixels = float(images.double().abs().sum())
    return {"seconds_of_steps": wall[1:], "cpu_seconds_of_steps": cpu[1:], "pixels": pixels, "synthetic_bytes": images.nbytes}


class OnlyDrawn(ImageSet):
    """The images that the steps of a run draw, in memory; their draws are the same images as from all."""

    @staticmethod
    def in_steps(real: ImageSet, steps: int, batch: int) -> "OnlyDrawn":
        draws = [real._draw(batch, Rng(STEP_SEED).child("step", step, "real")).indices for step in range(steps + 1)]
        chosen = torch.cat(draws).unique()
        images = OnlyDrawn(real.images[chosen], real.labels[chosen], real.class_names, real.preprocessing)
        images.__dict__["whole"], images.__dict__["chosen"] = real, chosen
        return images

    def draw(self, per_class: Any, rng: Rng) -> Any:
        draw = self.__dict__["whole"]._draw(per_class, rng)
        return type(draw)(torch.searchsorted(self.__dict__["chosen"], draw.indices), draw.class_index, draw.classes)
