"""Contract of every data format; a new format needs a line in `EXAMPLES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from condensation.data.dataset import RawSplit, ReadOptions
from condensation.data.formats.packed import PACK
from condensation.data.formats.registry import FORMATS, format_of
from condensation.data.load import load
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
from condensation.data.split import hold_out_test
from tests.data import official
from tests.data.refusals import refusal
from tests.data.test_idx import write_idx_folder
from tests.data.test_image_folder import picture


@dataclass(frozen=True)
class Written:
    """A small example of a format on disk, and its expected content."""

    path: Path  # the source for `load`
    to_cut: Path  # a file whose loss of its last half must be noticed
    train: tuple[np.ndarray, np.ndarray]  # images (n, c, h, w) uint8 and labels (n,)
    test: tuple[np.ndarray, np.ndarray] | None
    class_names: tuple[str, ...]
    dataset: str | None = None  # its name in the catalogue


def npz(folder: Path) -> Written:
    parts = {}
    for seed, (part, count) in enumerate((("train", 12), ("test", 6))):
        images, labels = official.images(count, (8, 10, 3), seed), np.arange(count) % 3
        np.savez(folder / f"{part}.npz", images=images, labels=labels, class_names=np.array(["a", "b", "c"]))
        parts[part] = images.transpose(0, 3, 1, 2), labels
    return Written(folder, folder / "train.npz", parts["train"], parts["test"], ("a", "b", "c"))


def npz_file(folder: Path) -> Written:
    images, labels = official.images(12, (8, 10, 3)), np.arange(12) % 3
    names = ("a", "b", "c")
    np.savez(folder / "mine.npz", images=images, labels=labels, class_names=np.array(names))
    whole = RawSplit(torch.from_numpy(images.transpose(0, 3, 1, 2)), torch.from_numpy(labels), names, "mine")
    train, test = ((part.images.numpy(), part.labels.numpy()) for part in hold_out_test(whole, names)[:2])
    return Written(folder / "mine.npz", folder / "mine.npz", train, test, names)


def idx(folder: Path, zipped: bool) -> Written:
    folder = folder / "mnist"
    held = write_idx_folder(folder, zipped=zipped)
    train, test = ((held[part, "images-idx3"][:, None].astype(np.uint8), held[part, "labels-idx1"]) for part in ("train", "t10k"))
    return Written(folder, next(folder.glob("train-images*")), train, test, tuple("0123456789"), "mnist")


def image_folder(folder: Path) -> Written:
    parts = {}
    for part, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
            for index in range(count):
                picture(index).save(folder / part / name / f"{index}.png")
        pixels = np.stack([np.asarray(picture(index)).transpose(2, 0, 1) for index in range(count)])
        parts[part] = np.concatenate([pixels, pixels]), np.repeat([0, 1], count)
    return Written(folder, folder / "train" / "dog" / "1.png", parts["train"], parts["test"], ("cat", "dog"))


def csv(folder: Path) -> Written:
    lines, parts = ["path,label,split"], {"train": ([], []), "test": ([], [])}
    for index in range(10):
        part, label = "test" if index > 6 else "train", index % 2
        picture(index).save(folder / f"{index}.png")
        lines.append(f"{index}.png,{('cat', 'dog')[label]},{part}")
        parts[part][0].append(np.asarray(picture(index)).transpose(2, 0, 1))
        parts[part][1].append(label)
    (folder / "table.csv").write_text("\n".join(lines))
    train, test = ((np.stack(images), np.array(labels)) for images, labels in parts.values())
    return Written(folder / "table.csv", folder / "5.png", train, test, ("cat", "dog"))


def hugging_face(folder: Path) -> Written:
    datasets = pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    datasets.config.HF_DATASETS_CACHE = folder / "cache"
    datasets.disable_progress_bars()
    (folder / "saved").mkdir()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    parts = {}
    for part, count in (("train", 8), ("test", 4)):
        seeds, labels = range(count, 2 * count), np.arange(count) % 2
        content = {"image": [picture(seed) for seed in seeds], "label": labels.tolist()}
        datasets.Dataset.from_dict(content, features=features).to_parquet(str(folder / "saved" / f"{part}-00000-of-00001.parquet"))
        parts[part] = np.stack([np.asarray(picture(seed)).transpose(2, 0, 1) for seed in seeds]), labels
    return Written(folder / "saved", folder / "saved" / "train-00000-of-00001.parquet", parts["train"], parts["test"], ("cat", "dog"))


def cifar(folder: Path, version: tuple[str, str], packed: bool, write: Callable[[object], bytes] = official.python2) -> Written:
    path, held = official.write_cifar(folder, version, packed=packed, write=write)
    names = official.CIFAR10_NAMES if version[0] == "cifar10" else official.CIFAR100_NAMES
    return Written(
        path,
        path if packed else max(path.glob("*train*" if version[0] == "cifar100" else "data_batch_3*")),
        *held.values(),
        names,
        version[0],
    )


def svhn(folder: Path) -> Written:
    path, held = official.write_svhn(folder)
    return Written(path, path / "train_32x32.mat", held["train"], held["test"], tuple("0123456789"), "svhn")


def tiny_imagenet(folder: Path, packed: bool) -> Written:
    files = official.tiny_imagenet_files()
    path = official.write_tiny_imagenet(folder, packed=packed, files=files)
    train = [
        (official.decoded(files[f"train/{wnid}/images/{wnid}_{index}.JPEG"]), label)
        for label, wnid in enumerate(official.WNIDS)
        for index in range(4)
    ]
    test = [(official.decoded(files[f"val/images/val_{index * 3 + label}.JPEG"]), label) for label in range(3) for index in range(2)]
    parts = [(np.stack([image for image, _ in part]), np.array([label for _, label in part])) for part in (train, test)]
    to_cut = path if packed else path / "train" / "n01" / "images" / "n01_2.JPEG"
    return Written(path, to_cut, *parts, ("crane, machine", "tabby", "crane, bird"), "tiny-imagenet")


def packed(folder: Path) -> Written:
    source = image_folder(folder / "source")
    pack(DataSettings(str(source.path)), folder / "packed" / "source")
    path = folder / "packed" / "source"
    return Written(path, path / "images-0000.bin", source.train, source.test, source.class_names)


# Functions that write a small example into an empty folder and return its expected content.
EXAMPLES: dict[str, Callable[[Path], Written]] = {
    "npz": npz,
    "npz file": npz_file,
    "idx": partial(idx, zipped=False),
    "idx, gzipped": partial(idx, zipped=True),
    "image folder": image_folder,
    "packed": packed,
    "csv": csv,
    "hugging face": hugging_face,
    **{
        f"{version[0]}, {version[1]}, {'archive' if packed else 'folder'}": partial(cifar, version=version, packed=packed)
        for version in official.FOLDERS
        for packed in (False, True)
    },
    "cifar10, pickled by Python 3": partial(cifar, version=("cifar10", "python"), packed=True, write=official.python3),
    "svhn": svhn,
    "tiny-imagenet, archive": partial(tiny_imagenet, packed=True),
    "tiny-imagenet, folder": partial(tiny_imagenet, packed=False),
}


@pytest.fixture(params=EXAMPLES)
def written(request, tmp_path):
    return EXAMPLES[request.param](tmp_path)


def in_order(images, labels):
    """Sort images and labels by class, as an image set does."""
    order = np.argsort(labels, kind="stable")
    return torch.from_numpy(images[order]), torch.from_numpy(labels[order]).long()


def test_every_format_has_an_example(tmp_path):
    names = set()
    for number, write in enumerate(EXAMPLES.values()):
        (tmp_path / str(number)).mkdir()
        names.add(format_of(write(tmp_path / str(number)).path).name)
    assert names == {form.name for form in FORMATS}


def test_content_names_and_types(written):
    raw = format_of(written.path).read(written.path, ReadOptions())
    for split in filter(None, (raw.train, raw.test)):
        assert (split.images.dtype, split.labels.dtype, split.images.ndim) == (torch.uint8, torch.int64, 4)
        assert split.origin
    data = load(written.path, preprocessing="published" if written.dataset else "standardize")
    assert data.name == (written.dataset or written.path.stem)
    assert data.train.class_names == data.test.class_names == written.class_names
    for split, expected in ((data.train, written.train), (data.test, written.test)):
        images, labels = in_order(*expected)
        assert split.images.dtype == torch.uint8
        assert torch.equal(split.images, images)
        assert torch.equal(split.labels, labels)
    again = load(str(written.path))
    assert torch.equal(again.train.images, data.train.images)
    assert torch.equal(again.test.images, data.test.images)


def test_a_size_is_followed(written):
    if format_of(written.path) is PACK:
        assert refusal(load, written.path, size=12).setting == "data.size"
        return
    data = load(written.path, size=12)
    assert data.train.shape == data.test.shape == (written.train[0].shape[1], 12, 12)


def test_damaged_and_foreign_files_are_named(written):
    whole = written.to_cut.read_bytes()
    truncated = (whole[: int(keep * len(whole))] for keep in (0, 0.477, 0.933))
    for content in (*truncated, b"<html>404: this page is not here</html>\n" * 100):
        written.to_cut.write_bytes(content)
        error = refusal(load, written.path)
        assert written.to_cut.name in error.message
        assert len(str(error).splitlines()) <= 3
