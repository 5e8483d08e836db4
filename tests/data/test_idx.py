import gzip
import struct

import numpy as np
import pytest

from condensation.data.formats.idx import read_idx
from condensation.data.load import load
from tests.data.refusals import refusal


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def write_idx_folder(folder, *, zipped=False, counts=(30, 20)):
    folder.mkdir(parents=True, exist_ok=True)
    generator, written = np.random.default_rng(0), {}
    for part, count in zip(("train", "t10k"), counts, strict=True):
        for kind, array in (
            ("images-idx3", generator.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", np.arange(count) % 10),
        ):
            path = folder / (f"{part}-{kind}-ubyte" + (".gz" if zipped else ""))
            path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
            written[part, kind] = array
    return written


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("place", ["", "fashion-mnist", "FashionMNIST/raw", "fashion_mnist"])
def test_layouts(tmp_path, zipped, place):
    written = write_idx_folder(tmp_path / place, zipped=zipped)
    data = load("fashion-mnist", folder=tmp_path)
    assert data.train.shape == (1, 28, 28)
    assert (len(data.train), len(data.test)) == (30, 20)
    assert data.train.class_names[9] == "Ankle boot"
    assert np.array_equal(data.train.images[0, 0].numpy(), written["train", "images-idx3"][0])
    assert np.array_equal(data.test.images[2, 0].numpy(), written["t10k", "images-idx3"][1])


def test_a_path_takes_its_name_from_the_folder(tmp_path):
    write_idx_folder(tmp_path / "MNIST" / "raw")
    data = load(tmp_path / "MNIST" / "raw")
    assert data.name == "mnist"
    assert not data.train.flip_invariant


def test_a_folder_with_another_name_is_not_taken(tmp_path):
    write_idx_folder(tmp_path / "fashion-mnist")
    assert refusal(load, "mnist", folder=tmp_path / "fashion-mnist").setting == "data.source"


def test_dotted_names_are_found(tmp_path):
    write_idx_folder(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").rename(tmp_path / "train-images.idx3-ubyte")
    assert len(load("mnist", folder=tmp_path).train) == 30


def test_without_test_files_a_fifth_is_set_aside(tmp_path):
    write_idx_folder(tmp_path, counts=(50, 20))
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    data = load("mnist", folder=tmp_path)
    assert data.test.counts == {label: 1 for label in range(10)}
    assert data.note


def test_a_missing_file_is_named(tmp_path):
    write_idx_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert "t10k-labels-idx1-ubyte" in refusal(load, "mnist", folder=tmp_path).message


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("keep", [0, 3, 10, 40, -1])
def test_truncated_files_are_named(tmp_path, zipped, keep):
    write_idx_folder(tmp_path, zipped=zipped)
    path = next(tmp_path.glob("train-images*"))
    path.write_bytes(path.read_bytes()[:keep])
    assert "train-images" in refusal(load, "mnist", folder=tmp_path).message


def test_other_files_are_not_idx(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    whole = idx_bytes(np.zeros((2, 3, 3)))
    for content, value in [
        (whole + b"x", "expected 18 bytes"),
        (b"<html>" * 10, b"<htm".hex(" ")),
        (idx_bytes(np.zeros(5)) + b"x" * 20, "00 00 08 01"),
        (whole[:2] + b"\x0d" + whole[3:], "00 00 0d 03"),
    ]:
        path.write_bytes(content)
        assert value in refusal(read_idx, path, 3).message
    zipped = path.with_suffix(".gz")
    zipped.write_bytes(whole)
    assert str(zipped) in refusal(read_idx, zipped, 3).message
