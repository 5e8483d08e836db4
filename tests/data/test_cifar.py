"""Files of CIFAR; `test_format_contract` tests the behaviour of all formats."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from condensation.data.load import load
from tests.data import official
from tests.data.official import write_cifar, write_files, write_tar
from tests.data.refusals import refusal

ROOT = os.environ.get("CONDENSATION_DATA")
PYTHON, BINARY = ("cifar10", "python"), ("cifar10", "binary")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("CONDENSATION_DATA", raising=False)


def test_fine_labels_are_taken(tmp_path):
    data = load(write_cifar(tmp_path, ("cifar100", "python"), packed=False)[0])
    assert data.train.num_classes == 100
    assert data.train.class_names[99] == "class_99"


@pytest.mark.parametrize("lost", ["data_batch_3", "test_batch"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_missing_batch_is_named(tmp_path, lost, packed):
    files, _ = official.cifar_files(PYTHON)
    del files[lost]
    path = write_tar(tmp_path / "cifar-10-python.tar.gz", files) if packed else write_files(tmp_path / "cifar-10-batches-py", files)
    error = refusal(load, path)
    assert f"{path.name} lacks {lost}" in error.message
    assert "condense data get cifar10" in error.hint


def test_without_names_the_usual_ones_are_taken(tmp_path):
    files, _ = official.cifar_files(PYTHON)
    del files["batches.meta"]
    assert load(write_files(tmp_path / "cifar-10-batches-py", files)).train.class_names == official.CIFAR10_NAMES


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ({"data": official.images(4, (3072,)), "labels": [0, 1, 2, 10]}, "0..9, got 0..10"),
        ({"data": official.images(4, (3072,)), "labels": [0, 1, 2, -1]}, "-1..2"),
        ({"data": official.images(4, (3072,)), "labels": [0, 1, 2]}, "3 labels"),
        ({"data": official.images(4, (3071,)), "labels": [0, 1, 2, 3]}, "3071"),
        ({"data": official.images(0, (3072,)), "labels": []}, "0 labels"),
        ({"data": official.images(4, (3072,))}, "'labels'"),
        ({"labels": [1]}, "'data'"),
        ({"data": official.images(4, (3072,)), "labels": [0, 1, 2, "3"]}, "'labels'"),
    ],
)
def test_a_batch_that_is_wrong_is_named(tmp_path, content, value):
    files, _ = official.cifar_files(PYTHON)
    files["data_batch_2"] = pickle.dumps(content, 4)
    message = refusal(load, write_files(tmp_path / "cifar-10-batches-py", files)).message
    assert "data_batch_2 in " in message
    assert value in message


def test_a_wrong_label_in_the_binary_version_is_named(tmp_path):
    files, _ = official.cifar_files(BINARY)
    files["data_batch_4.bin"] = b"\x0b" + files["data_batch_4.bin"][1:]
    message = refusal(load, write_files(tmp_path / "cifar-10-batches-bin", files)).message
    assert "data_batch_4.bin in " in message
    assert "0..9" in message


@pytest.mark.parametrize("version", official.FOLDERS)
def test_wrong_names_are_refused(tmp_path, version):
    files, _ = official.cifar_files(version)
    (name,) = [file for file in files if "meta" in file or "names" in file]
    files[name] = b"only one\n" if version[1] == "binary" else pickle.dumps({"label_names": ["a"], "fine_label_names": ["a"]})
    assert f"{name} in " in refusal(load, write_files(tmp_path / official.FOLDERS[version], files)).message


class Poison:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["data_batch_5", "batches.meta"])
def test_a_poisoned_pickle_is_refused_and_not_run(tmp_path, monkeypatch, packed, name):
    monkeypatch.chdir(tmp_path)
    files, _ = official.cifar_files(PYTHON)
    files[name] = pickle.dumps({"data": Poison(), "labels": [0], "label_names": Poison()})
    path = write_tar(Path("cifar-10-python.tar.gz"), files) if packed else write_files(Path("cifar-10-batches-py"), files)
    message = refusal(load, path).message
    assert f"{name} in {path}" in message
    assert ".system'" in message
    assert not Path("ran").exists()


@pytest.mark.slow
@pytest.mark.skipif(not (Path(ROOT or "") / "cifar10" / "train.npz").is_file(), reason="CONDENSATION_DATA holds no cifar10/train.npz")
def test_cifar10_of_full_size_is_read_as_it_was(tmp_path):
    """Its images, written as its authors give them out, come back the same."""
    files = {}
    for part, names in (("train", [f"data_batch_{number}" for number in range(1, 6)]), ("test", ["test_batch"])):
        with np.load(Path(ROOT or "") / "cifar10" / f"{part}.npz") as held:
            pixels, labels = held["images"].transpose(0, 3, 1, 2).reshape(-1, 3072), held["labels"]
        for name, some, of_some in zip(names, np.split(pixels, len(names)), np.split(labels, len(names)), strict=True):
            files[name] = official.python2({"data": some, "labels": [int(label) for label in of_some]})
    files["batches.meta"] = official.python2({"label_names": list(official.CIFAR10_NAMES)})
    data = load(write_tar(tmp_path / "cifar-10-python.tar.gz", files, "w:"))
    assert data.note == ""
    assert data.train.fingerprint() == load("cifar10", folder=ROOT).train.fingerprint()
