"""A valid file of every kind that the program reads, made at first use and shared by all trials."""

import fcntl
import gzip
import io
import json
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.campaigns import recipes
from tests.campaigns.command import Command, apart

Pixels = NDArray[np.uint8]
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PICTURES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "TIFF": "tif", "BMP": "bmp"}


def made(corpus: Path, name: str) -> Path:
    """Return the folder ``name`` of the corpus; make it if this is its first use."""
    folder = corpus / name
    corpus.mkdir(parents=True, exist_ok=True)
    with (corpus / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            try:
                apart(MAKERS[name], folder)
            except RuntimeError:
                shutil.rmtree(folder)
                raise
    return folder


def command(folder: Path, *arguments: str, **environment: str) -> None:
    """Run a command in ``folder`` that must succeed, and note how many file operations it took and how long."""
    result = Command(list(arguments), folder, environment).start().result()
    if result.code:
        raise RuntimeError(f"{' '.join(arguments)} ended with {result.code}: {result.err[-1000:]}")
    (folder.parent / f"{folder.name}.json").write_text(json.dumps({"operations": result.operations, "seconds": result.seconds}))


def effort(folder: Path) -> tuple[int, float]:
    """Return the file operations and seconds of the command that made a folder of the corpus."""
    content = json.loads((folder.parent / f"{folder.name}.json").read_text())
    return content["operations"], content["seconds"]


def pixels(count: int, *shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def picture(kind: str, seed: int, size: int = 12) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels(1, size, size, 3, seed=seed)[0]).convert("P" if kind == "GIF" else "RGB").save(buffer, kind)
    return buffer.getvalue()


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def tar(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_npz(folder: Path) -> None:
    for part, count in (("train", 12), ("test", 6)):
        names = np.array(["a", "b", "c"])
        np.savez(folder / f"{part}.npz", images=pixels(count, 8, 10, 3), labels=np.arange(count) % 3, class_names=names)


def idx_files(ending: str) -> dict[str, bytes]:
    files = {}
    for part, count in (("train", 20), ("t10k", 10)):
        images = struct.pack(">4I", 0x803, count, 12, 12) + pixels(count, 12, 12).tobytes()
        labels = struct.pack(">2I", 0x801, count) + bytes(index % 10 for index in range(count))
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            files[f"mnist/{part}-{kind}-ubyte{ending}"] = gzip.compress(content, mtime=0) if ending else content
    return files


def cifar_files(classes: int, binary: bool = False) -> dict[str, bytes]:
    count, batches = (
        (10, [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]) if classes == 10 else (200, ["train", "test"])
    )
    labels = [index % classes for index in range(count)]
    names = list(CIFAR10) if classes == 10 else [f"class {index}" for index in range(100)]
    field, label_names = ("labels", "label_names") if classes == 10 else ("fine_labels", "fine_label_names")
    files = {}
    for seed, name in enumerate(batches):
        flat = pixels(count, 3072, seed=seed)
        if binary:
            columns = [np.array(labels, np.uint8)[:, None]] * (1 if classes == 10 else 2)
            files[f"{name}.bin"] = np.concatenate([*columns, flat], 1).tobytes()
        else:
            files[name] = pickle.dumps({"data": flat, field: labels}, protocol=2)
    if binary:
        files["batches.meta.txt" if classes == 10 else f"{label_names}.txt"] = "\n".join(names).encode()
    else:
        files["batches.meta" if classes == 10 else "meta"] = pickle.dumps({label_names: names}, protocol=2)
    folder = f"cifar-{classes}-batches-{'bin' if binary else 'py'}" if classes == 10 else f"cifar-100-{'binary' if binary else 'python'}"
    return {f"{folder}/{name}": content for name, content in files.items()}


def tiny_files() -> dict[str, bytes]:
    files = {"wnids.txt": b"n01\nn02\n", "words.txt": b"n01\tcat, tom\nn02\tdog\n"}
    rows = []
    for label, word in enumerate(("n01", "n02")):
        for index in range(3):
            files[f"train/{word}/images/{word}_{index}.JPEG"] = picture("JPEG", 10 * label + index, 64)
        files[f"val/images/val_{label}.JPEG"] = picture("JPEG", 50 + label, 64)
        rows.append(f"val_{label}.JPEG\t{word}\t0\t0\t1\t1\n")
    files["val/val_annotations.txt"] = "".join(rows).encode()
    return {f"tiny-imagenet-200/{name}": content for name, content in files.items()}


def make_tiny_zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "tiny-imagenet-200.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tiny_files().items():
            archive.writestr(name, content)


def make_svhn(folder: Path) -> None:
    from scipy.io import savemat

    for part, count in (("train", 30), ("test", 20)):
        content = {"X": pixels(count, 32, 32, 3).transpose(1, 2, 3, 0), "y": (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]}
        savemat(folder / f"{part}_32x32.mat", content, do_compression=part == "train")


def make_csv(folder: Path) -> None:
    rows = ["path,label,split"]
    for index in range(10):
        write(folder, {f"{index}.png": picture("PNG", index)})
        rows.append(f"{index}.png,{('cat', 'dog')[index % 2]},{'test' if index > 7 else 'train'}")
    (folder / "table.csv").write_text("\n".join(rows))


def image_files() -> dict[str, bytes]:
    kinds = enumerate(PICTURES.items())
    return {f"pets/{name}/{index}.{ending}": picture(kind, index) for index, (kind, ending) in kinds for name in ("cat", "dog")}


def make_images(folder: Path) -> None:
    write(folder, image_files())


def make_parquet(folder: Path) -> None:
    dataset().to_parquet(str(folder / "mine.parquet"))


def make_saved(folder: Path) -> None:
    dataset().save_to_disk(str(folder / "set"))


def dataset() -> Any:
    import datasets
    from PIL import Image

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    images = [Image.fromarray(one) for one in pixels(8, 12, 12, 3)]
    return datasets.Dataset.from_dict({"image": images, "label": [index % 2 for index in range(8)]}, features=features)


def make_official(folder: Path) -> None:
    import torch

    images, labels = torch.randn(20, 3, 32, 32), torch.arange(10).repeat_interleave(2)
    content = {"data": [[images, labels]], "accs_all_exps": {"ConvNet": [np.float64(0.25), np.float64(0.26)]}}
    torch.save(content, folder / "res_DM_CIFAR10_ConvNet_2ipc.pt")


def make_begun(folder: Path) -> None:
    """Make a run that was killed half-way, with its checkpoint."""
    made(folder.parent, "run-dm")
    operations, _ = effort(folder.parent / "run-dm")
    for kill_at in range(operations // 2, operations):
        Command(recipes.run("dm", "out"), folder, kill_at=kill_at).start().result()
        if (folder / "out" / "checkpoint.safetensors").exists():
            return
        shutil.rmtree(folder / "out", ignore_errors=True)
    raise RuntimeError("no killed run left a checkpoint")


def make_cached(folder: Path) -> None:
    write(folder, image_files())
    command(folder, *recipes.read("pets"), CONDENSATION_CACHE="cache")


def make_toml(folder: Path) -> None:
    result = Command([*recipes.run("dm", "out"), "--print-config"], folder).start().result()
    (folder / "mine.toml").write_text(result.out)


def make_output(folder: Path, name: str) -> None:
    """Make one of `recipes.OUTPUTS` from a copy of the run that it reads."""
    source, arguments = recipes.OUTPUTS[name]
    if source:
        shutil.copytree(made(folder.parent, source), folder, dirs_exist_ok=True)
        if (folder / "out").exists():
            (folder / "out").rename(folder / "source")
    command(folder, *arguments)


MAKERS: dict[str, Callable[[Path], None]] = {
    **{f"run-{name}": partial(lambda name, folder: command(folder, *recipes.run(name, "out")), name) for name in recipes.METHODS},
    **{f"study-{name}": partial(lambda more, folder: command(folder, *more, "-o", "out"), more) for name, more in recipes.STUDIES.items()},
    **{f"output-{name}": partial(lambda name, folder: make_output(folder, name), name) for name in recipes.OUTPUTS},
    "begun": make_begun,
    "cached": make_cached,
    "npz": make_npz,
    "one-npz": lambda folder: np.savez_compressed(folder / "mine.npz", images=pixels(12, 8, 10, 3), labels=np.arange(12) % 3),
    "idx": lambda folder: write(folder, idx_files("")),
    "idx-gz": lambda folder: write(folder, idx_files(".gz")),
    "cifar10": lambda folder: write(folder, cifar_files(10)),
    "cifar10-tar": lambda folder: write(folder, {"cifar-10-python.tar.gz": tar(cifar_files(10))}),
    "cifar10-plain-tar": lambda folder: write(folder, {"cifar-10-python.tar": tar(cifar_files(10), "w")}),
    "cifar10-binary-tar": lambda folder: write(folder, {"cifar-10-binary.tar.gz": tar(cifar_files(10, binary=True))}),
    "cifar100": lambda folder: write(folder, cifar_files(100)),
    "cifar100-binary": lambda folder: write(folder, cifar_files(100, binary=True)),
    "svhn": make_svhn,
    "tiny": lambda folder: write(folder, tiny_files()),
    "tiny-zip": make_tiny_zip,
    "csv": make_csv,
    "images": make_images,
    "parquet": make_parquet,
    "saved": make_saved,
    "official": make_official,
    "toml": make_toml,
}
