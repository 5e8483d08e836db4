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


PAIRS = [
    ("images", "labels"),
    ("x", "y"),
    ("X", "y"),
    ("data", "targets"),
    ("data", "labels"),
    ("arr_0", "arr_1"),
    ("train_images", "train_labels"),
    ("X_train", "y_train"),
    ("xtrain", "ytrain"),
    ("train_data", "train_label"),
]


@pytest.mark.parametrize(("images", "labels"), PAIRS)
def test_usual_names_of_arrays(tmp_path, images, labels):
    write(tmp_path)
    np.savez(tmp_path / "other.npz", **{images: IMAGES, labels: LABELS, "weights": np.ones(3)})
    assert load(tmp_path / "other.npz").train.fingerprint() == load(tmp_path).train.fingerprint()


@pytest.mark.parametrize("names", ["{part}_images {part}_labels", "x_{part} y_{part}"])
def test_parts_of_one_file(tmp_path, names):
    tests = {"val": slice(0, 6), "test": slice(6, 18), "train": slice(18, 30)}
    arrays = {}
    for part, rows in tests.items():
        images, labels = names.format(part=part).split()
        arrays |= {images: IMAGES[rows], labels: LABELS[rows, None]}
    np.savez(tmp_path / "all.npz", **arrays)
    for options, part in (({}, "test"), ({"test": "val"}, "val")):
        data = load(tmp_path / "all.npz", **options)
        for images, rows in ((data.train, tests["train"]), (data.test, tests[part])):
            order = np.argsort(LABELS[rows], kind="stable")
            assert np.array_equal(images.images.permute(0, 2, 3, 1).numpy(), IMAGES[rows][order])
            assert images.labels.tolist() == sorted(LABELS[rows].tolist())
    assert "test is the test split" in load(tmp_path / "all.npz").note
    assert refusal(load, tmp_path / "all.npz", test="none").setting == "data.test"


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_of_text(tmp_path, kind):
    names = np.array(["pear", "fig", "apple"]).astype(kind)
    write(tmp_path, labels=names[LABELS])
    write(tmp_path, part="test", images=IMAGES[:2], labels=names[[0, 2]][:, None])
    data = load(tmp_path)
    assert data.train.class_names == ("apple", "fig", "pear")
    assert torch.equal(data.train.images[0], torch.from_numpy(IMAGES[2]).permute(2, 0, 1))
    assert data.test.labels.tolist() == [0, 2]
    assert torch.equal(data.test.images[1], torch.from_numpy(IMAGES[0]).permute(2, 0, 1))


def test_one_hot_labels(tmp_path):
    write(tmp_path)
    expected = load(tmp_path).train.fingerprint()
    write(tmp_path, labels=np.eye(3, dtype=np.float32)[LABELS])
    assert load(tmp_path).train.fingerprint() == expected
    soft = np.eye(3)[LABELS]
    soft[5] = 0.5
    write(tmp_path, labels=soft)
    assert "Row 5" in refusal(load, tmp_path).message


def test_other_names_of_arrays_are_chosen(tmp_path):
    np.savez(tmp_path / "own.npz", pictures=IMAGES, kinds=LABELS)
    error = refusal(load, tmp_path / "own.npz")
    assert error.setting == "data.columns"
    assert "kinds, pictures" in error.message
    assert len(load(tmp_path / "own.npz", columns=("pictures", "kinds")).train) == 24
    assert "'kind'" in refusal(load, tmp_path / "own.npz", columns=("pictures", "kind")).message


def test_several_pairs_without_names_are_refused(tmp_path):
    np.savez(tmp_path / "own.npz", IMAGES, LABELS, IMAGES, LABELS)
    assert refusal(load, tmp_path / "own.npz").setting == "data.columns"


def test_another_file_may_be_the_test_part(tmp_path):
    for part, count in (("train", 30), ("test", 15), ("val", 9)):
        write(tmp_path, part=part, images=IMAGES[:count], labels=LABELS[:count])
    assert len(load(tmp_path).test) == 15
    assert len(load(tmp_path, test="val").test) == 9
    assert refusal(load, tmp_path, test="other").setting == "data.test"


def test_files_of_other_parts(tmp_path):
    write(tmp_path, part="Train_Set")
    write(tmp_path, part="val")
    assert load(tmp_path).details.get("split") is None  # val is the test split, so nothing is held out
    write(tmp_path, part="extra")
    data = load(tmp_path, test="extra")
    assert data.note == "Parts that were not read: val."
    assert refusal(load, tmp_path, test="none").setting == "data.test"
