"""Small files in the official formats of data sets."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100_NAMES = tuple(f"class_{number}" for number in range(100))


def images(count, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def python2(value):
    """Pickle ``value`` as Python 2 did, with one type for text and bytes: the operations in the official files of CIFAR."""
    return b"\x80\x02" + _operations(value) + b"."


def _operations(value):
    if isinstance(value, dict):
        return b"}(" + b"".join(_operations(key) + _operations(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(_operations(item) for item in value) + b"e"
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, np.ndarray):
        rows, columns = (b"M" + struct.pack("<H", side) for side in value.shape)
        kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        return made + b"(K\x01" + rows + columns + b"\x86" + kind + b"\x89T" + struct.pack("<i", value.nbytes) + value.tobytes() + b"tb"
    text = value.encode() if isinstance(value, str) else value
    return b"U" + bytes([len(text)]) + text


def python3(value):
    """Pickle ``value`` as Python 3 does."""
    return pickle.dumps(value, protocol=5)


def cifar_files(version, write=python2, counts=(4, 20)):
    """Return the content of each file, and images and labels: ``counts`` images per training batch and test batch."""
    dataset, kind = version
    classes, names = (10, CIFAR10_NAMES) if dataset == "cifar10" else (100, CIFAR100_NAMES)
    per_batch, of_test = counts
    ending = "" if kind == "python" else ".bin"
    batches = [f"data_batch_{number}{ending}" for number in range(1, 6)] if classes == 10 else [f"train{ending}"]
    if classes == 100:
        per_batch, of_test = 200, 100
    files, held = {}, {"train": ([], []), "test": ([], [])}
    test = ("test_batch" if classes == 10 else "test") + ending
    for number, name in enumerate([*batches, test]):
        count = of_test if name == test else per_batch
        pixels, labels = images(count, (3, 32, 32), number), (np.arange(count) + number * per_batch) % classes
        flat, many = pixels.reshape(count, -1), [int(label) for label in labels]
        if kind == "python":
            content = {"data": flat, "filenames": [f"{label}.png" for label in many], "batch_label": "a batch"}
            content |= {"labels": many} if classes == 10 else {"fine_labels": many, "coarse_labels": [label // 5 for label in many]}
            files[name] = write(content)
        else:
            columns = [labels[:, None]] if classes == 10 else [labels[:, None] // 5, labels[:, None]]
            files[name] = np.concatenate([*columns, flat], axis=1).astype(np.uint8).tobytes()
        held["test" if name == test else "train"][0].append(pixels)
        held["test" if name == test else "train"][1].append(labels)
    if kind == "python":
        key = "label_names" if classes == 10 else "fine_label_names"
        files["batches.meta" if classes == 10 else "meta"] = write({"num_cases_per_batch": per_batch, key: list(names)})
    else:
        files["batches.meta.txt" if classes == 10 else "fine_label_names.txt"] = ("\n".join(names) + "\n\n").encode()
    return files, {part: tuple(map(np.concatenate, two)) for part, two in held.items()}


FOLDERS = {
    ("cifar10", "python"): "cifar-10-batches-py",
    ("cifar10", "binary"): "cifar-10-batches-bin",
    ("cifar100", "python"): "cifar-100-python",
    ("cifar100", "binary"): "cifar-100-binary",
}
ARCHIVES = {version: f"{version[0].replace('cifar', 'cifar-')}-{version[1]}.tar.gz" for version in FOLDERS}


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_tar(path: Path, files: dict[str, bytes], mode="w:gz") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_cifar(parent: Path, version, *, packed: bool, write=python2):
    """Write the archive or the folder under its usual name; return its path and its content."""
    files, held = cifar_files(version, write)
    if packed:
        return write_tar(parent / ARCHIVES[version], {f"{FOLDERS[version]}/{name}": content for name, content in files.items()}), held
    return write_files(parent / FOLDERS[version], files), held


def write_svhn(folder: Path, counts=(30, 20)):
    """Write both files into ``folder``; return it and its content."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    held = {}
    for seed, (part, count) in enumerate(zip(("train", "test"), counts, strict=True)):
        pixels, labels = images(count, (32, 32, 3), seed), np.arange(count) % 10
        stored = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        savemat(folder / f"{part}_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": stored}, do_compression=True)
        held[part] = (pixels.transpose(0, 3, 1, 2), labels)
    return folder, held


WNIDS = ("n03", "n01", "n02")
WORDS = "n00\tanything\nn01\ttabby, tabby cat\nn02\tcrane, bird\nn03\tcrane, machine\n"


def tiny_imagenet_files(counts=(4, 2)):
    """Return the files of a Tiny ImageNet of three classes; the first training image of each is grey."""
    files = {"wnids.txt": "\n".join(WNIDS).encode() + b"\n", "words.txt": WORDS.encode()}
    rows = []
    for number, wnid in enumerate(WNIDS):
        for index in range(counts[0]):
            files[f"train/{wnid}/images/{wnid}_{index}.JPEG"] = jpeg(10 * number + index, grey=index == 0)
        for index in range(counts[1]):
            name = f"val_{index * len(WNIDS) + number}.JPEG"
            files[f"val/images/{name}"] = jpeg(100 + 10 * number + index)
            rows.append(f"{name}\t{wnid}\t0\t32\t44\t62")
        files[f"train/{wnid}/{wnid}_boxes.txt"] = b"0\n"
    files["val/val_annotations.txt"] = "\n".join(rows).encode() + b"\n"
    files["test/images/test_0.JPEG"] = jpeg(0)
    return files


def jpeg(seed, *, grey=False, size=(64, 64)):
    file = io.BytesIO()
    Image.fromarray(images(1, (size[1], size[0]) if grey else (size[1], size[0], 3), seed)[0]).save(file, "JPEG")
    return file.getvalue()


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


def write_tiny_imagenet(parent: Path, *, packed: bool, files=None) -> Path:
    files = {f"tiny-imagenet-200/{name}": content for name, content in (files or tiny_imagenet_files()).items()}
    if not packed:
        return write_files(parent, files) / "tiny-imagenet-200"
    parent.mkdir(parents=True, exist_ok=True)
    path = parent / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
