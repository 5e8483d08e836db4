import numpy as np
import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.data.load import load
from condensation.data.locate import list_datasets
from tests.data.refusals import refusal

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(30) % 3


def write(folder, save=np.savez, part="train", **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / f"{part}.npz", **({"images": IMAGES, "labels": LABELS} | arrays))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_round_trip(tmp_path, save):
    names = np.array(["a", "b", "c"])
    for part in ("train", "test"):
        write(tmp_path / "mine", save, part, class_names=names, more=np.zeros(3, dtype=bool))
    for data in (load("mine", folder=tmp_path), load(tmp_path / "mine"), load(str(tmp_path / "mine"))):
        assert data.name == "mine"
        assert data.train.class_names == ("a", "b", "c")
        order = np.argsort(LABELS, kind="stable")
        assert torch.equal(data.train.images, torch.from_numpy(IMAGES[order]).permute(0, 3, 1, 2))
        assert data.train.fingerprint() == data.test.fingerprint()


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    write(tmp_path / "mine")
    monkeypatch.setenv("CONDENSATION_DATA", str(tmp_path))
    assert load("mine").test.counts == {0: 2, 1: 2, 2: 2}
    assert list_datasets()[-1].name == "mine"
    assert list_datasets()[-1].where == str(tmp_path / "mine")
    monkeypatch.setenv("CONDENSATION_DATA", str(tmp_path / "nowhere"))
    error = refusal(load, "mine")
    assert error.setting == "data.folder"
    assert "CONDENSATION_DATA" in error.message


def test_usual_class_names_are_known(tmp_path):
    write(tmp_path / "CIFAR-10", labels=np.arange(30) % 10)
    data = load("cifar10", folder=tmp_path)
    assert data.name == "cifar10"
    assert data.train.class_names[:2] == ("airplane", "automobile")


@pytest.mark.parametrize(
    ("arrays", "value"),
    [
        ({"labels": LABELS[:-1]}, "29 labels"),
        ({"labels": LABELS * 0}, "'0'"),
        ({"class_names": np.array(["a", "b", "c", "d"])}, "'d'"),
        ({"class_names": np.array(["a", "b"])}, "0..1"),
        ({"images": IMAGES[..., 0, 0]}, "(30, 8)"),
        ({"images": IMAGES.astype(np.int32) - 256}, "-1"),
        ({"images": IMAGES[:, :0]}, "(30, 0, 8, 3)"),
        ({"labels": np.array([None] * 30)}, "'labels'"),
    ],
)
def test_bad_content(tmp_path, arrays, value):
    write(tmp_path, **arrays)
    assert value in refusal(load, tmp_path).message


def test_bad_test_part(tmp_path):
    write(tmp_path, class_names=np.array(["a", "b", "c"]))
    write(tmp_path, part="test", class_names=np.array(["a", "b", "x"]))
    assert refusal(load, tmp_path).message.startswith(f"{tmp_path / 'test.npz'} has the class 'x'")
    write(tmp_path, part="test", labels=LABELS + 1)
    assert "0..2" in refusal(load, tmp_path).message


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "train.npz", images=IMAGES)
    assert "no 'labels'" in refusal(load, tmp_path).message


def outcome(folder):
    try:
        return load(folder).train.fingerprint()
    except CondensationError as error:
        return str(error)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_is_noticed_or_harmless(tmp_path, save):
    write(tmp_path, save)
    path = tmp_path / "train.npz"
    whole = path.read_bytes()
    expected = load(tmp_path).train.fingerprint()
    for keep in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        assert "train.npz" in refusal(load, tmp_path).message
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        result = outcome(tmp_path)
        assert result == expected or "train.npz" in result


def test_train_npz_by_its_own_path_brings_its_test_part(tmp_path):
    for part in ("train", "test"):
        write(tmp_path / "mine", part=part)
    data = load(tmp_path / "mine" / "train.npz")
    assert (data.name, len(data.train), len(data.test)) == ("mine", 30, 30)


def test_one_file_here_needs_no_slash(tmp_path, monkeypatch):
    write(tmp_path, part="single")
    monkeypatch.chdir(tmp_path)
    data = load("single.npz")
    assert (data.name, len(data.train), len(data.test)) == ("single", 24, 6)
    assert data.details["split"]["set_aside"] == 6
