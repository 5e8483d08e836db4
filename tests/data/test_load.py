import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.core import memory
from condensation.core.errors import NotEnoughMemory
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.formats.bundled import BUNDLED_FOLDER
from condensation.data.load import load
from condensation.data.locate import list_datasets
from tests.data.refusals import refusal

ROOT = os.environ.get("CONDENSATION_DATA")
CIFAR10 = Path(ROOT or "") / "cifar10" / "train.npz"


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("CONDENSATION_DATA", raising=False)


def test_digits():
    data = load("digits")
    assert (len(data.train), len(data.test)) == (1438, 359)
    assert data.train.shape == (1, 8, 8)
    assert data.train.class_names == tuple("0123456789")
    assert not data.train.flip_invariant
    assert int(data.train.images.max()) == 255


@pytest.mark.slow
def test_digits_are_those_of_scikit_learn():
    original = pytest.importorskip("sklearn.datasets").load_digits()
    data = load("digits")
    ours = torch.cat([data.train.images, data.test.images]).flatten(1)
    rows = {(int(label), bytes(image)) for label, image in zip([*data.train.labels, *data.test.labels], ours.numpy(), strict=True)}
    scaled = np.round(original.images * 255 / 16).astype(np.uint8)
    assert rows == {(int(label), image.tobytes()) for label, image in zip(original.target, scaled, strict=True)}


def test_fashion_mini():
    started = time.perf_counter()
    data = load("fashion-mini")
    assert time.perf_counter() - started < 3  # some 0.05 s; leave room for a busy machine
    assert data.train.counts == {label: 500 for label in range(10)}
    assert data.test.counts == {label: 200 for label in range(10)}
    assert data.train.shape == (1, 28, 28)
    assert data.train.class_names[0] == "T-shirt/top"
    assert data.train.flip_invariant
    mean = data.train.preprocessing.mean
    assert abs(float(mean) - 0.2861) < 0.01


@pytest.mark.parametrize("name", ["digits", "fashion-mini"])
def test_no_bundled_test_image_is_in_train(name):
    data = load(name)
    seen = {bytes(image) for image in data.train.images.flatten(1).numpy()}
    assert not any(bytes(image) in seen for image in data.test.images.flatten(1).numpy())


def test_bundled_data_are_small_and_include_their_licences():
    assert sum(path.stat().st_size for path in BUNDLED_FOLDER.rglob("*") if path.is_file()) < 2_900_000
    assert "Zalando SE" in (BUNDLED_FOLDER / "fashion-mini" / "LICENSE").read_text()
    assert "CC BY 4.0" in (BUNDLED_FOLDER / "digits" / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name, info in DATASETS.items() if info.bundled])
def test_the_catalogue_tells_the_truth(name):
    data, info = load(name), DATASETS[name]
    assert (data.train.num_classes, data.train.shape, len(data.train), len(data.test)) == (info.classes, info.shape, info.train, info.test)


def test_names_are_compared_loosely():
    assert known_name("FashionMNIST") == "fashion-mnist"
    assert known_name("CIFAR-10") == "cifar10"
    assert known_name("cifar") is None
    assert load("Fashion_Mini").name == "fashion-mini"


def test_available_lists_what_is_found(tmp_path):
    assert [row.name for row in list_datasets()] == list(DATASETS)
    assert {row.name for row in list_datasets() if row.where} == {"digits", "fashion-mini"}
    (tmp_path / "svhn").mkdir()
    np.savez(tmp_path / "svhn" / "train.npz", images=np.zeros((4, 8, 8, 3), dtype=np.uint8), labels=[0, 0, 1, 1])
    assert {row.name: row.where for row in list_datasets(tmp_path)}["svhn"] == str(tmp_path / "svhn")


def test_unknown_names(tmp_path):
    assert "'cifar10'" in refusal(load, "cifar1").message
    assert "folder=" in refusal(load, "cifar10").hint
    assert str(tmp_path) in refusal(load, "cifar10", folder=tmp_path).message
    assert refusal(load, "cifar10", folder=tmp_path / "nowhere").setting == "data.folder"
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        error = refusal(load, path)
        assert error.setting == "data.source"
        assert str(path) in error.message


def test_a_folder_here_needs_no_slash(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "train.npz", images=np.zeros((4, 8, 8), dtype=np.uint8), labels=[0, 0, 1, 1])
    monkeypatch.chdir(tmp_path)
    assert load("mine").name == "mine"
    assert load("./mine").name == "mine"


def test_size_and_device():
    data = load("digits", size=16).to("cpu")
    assert data.train.shape == data.test.shape == (1, 16, 16)


def test_too_large_data_are_refused_before_reading(tmp_path, monkeypatch):
    np.savez(tmp_path / "train.npz", images=np.zeros((100, 50, 50, 3), dtype=np.uint8), labels=np.arange(100) % 2)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (100, 100)).save(tmp_path / "images" / name / f"{index}.png")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2]) + 2 * bytes([0, 1, 0, 0]))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
    (tmp_path / "mnist").mkdir()
    for path in tmp_path.glob("*ubyte"):
        path.rename(tmp_path / "mnist" / path.name)
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    for source, needed in ((tmp_path, "2.2 MB"), (tmp_path / "images", "360.0 kB"), (tmp_path / "mnist", "25.8 GB")):
        error = refusal(load, source)
        assert isinstance(error, NotEnoughMemory)
        assert needed in error.message
    monkeypatch.setattr(memory, "free_memory", lambda: 5_000_000)
    assert isinstance(refusal(load, "digits", size=64), NotEnoughMemory)


def test_readable_sizes():
    assert [memory.readable(size) for size in (12, 1500, 2.5e9, 3e12)] == ["12 bytes", "1.5 kB", "2.5 GB", "3.0 TB"]


@pytest.mark.skipif(not CIFAR10.is_file(), reason="CONDENSATION_DATA holds no cifar10")
def test_cifar10_has_the_published_mean():
    data = load("cifar10", folder=ROOT)
    assert (len(data.train), len(data.test)) == (50_000, 10_000)
    torch.testing.assert_close(data.train.preprocessing.mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=1e-4, rtol=0)


def test_a_missing_source_may_be_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(load, "nope.csv").message.endswith(" nope.csv.")
    assert str(tmp_path) in refusal(load, "nope.csv", folder=tmp_path).message
    assert "file 'nowhere'" in refusal(load, "nowhere").message


def test_a_file_here_that_holds_no_data_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "make.py").touch()
    error = refusal(load, "make.py")
    assert "make.py" in error.message
    assert error.setting == "data.source"
    assert all(kind in error.hint for kind in ("CSV", "npz", "IDX", "sub-folder", "Hugging Face"))
