"""Files of Tiny ImageNet; `test_format_contract` tests the behaviour of all formats."""

import io
import zipfile

import pytest
from PIL import Image

from condensation.core import memory
from condensation.core.errors import NotEnoughMemory
from condensation.data.formats.tiny_imagenet import class_names
from condensation.data.load import load
from tests.data import official
from tests.data.official import write_tiny_imagenet
from tests.data.refusals import refusal


def test_grey_files_become_colour(tmp_path):
    data = load(write_tiny_imagenet(tmp_path, packed=True))
    grey = [bool((image[0] == image[1]).all() and (image[1] == image[2]).all()) for image in data.train.images]
    assert data.train.shape == (3, 64, 64)
    assert grey == [True, False, False, False] * 3


def test_names_are_the_first_words_unless_two_share_them():
    words = ["n1\ttabby, tabby cat", "n2\tcrane, bird", "n3\tcrane, machine"]
    assert class_names(["n3", "n1", "n2", "n4"], words) == ("crane, machine", "tabby", "crane, bird", "n4")


def tiny_with(tmp_path, packed, change):
    files = official.tiny_imagenet_files()
    change(files)
    return write_tiny_imagenet(tmp_path, packed=packed, files=files)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("change", "value"),
    [
        (lambda files: files.pop("val/val_annotations.txt"), "val/val_annotations.txt"),
        (lambda files: files.update({"val/val_annotations.txt": b"val_0.JPEG\tn99\t0\n"}), "val/images/val_0.JPEG"),
        (lambda files: files.update({"val/val_annotations.txt": b"val_0.JPEG\n"}), "val/images/val_0.JPEG"),
        (lambda files: files.update({"val/val_annotations.txt": b"\xff\xfe"}), "val_annotations.txt"),
        (lambda files: files.update({"val/val_annotations.txt": b"../x.JPEG\tn01\n"}), "val/images/../x.JPEG"),
        (lambda files: files.pop("val/images/val_0.JPEG"), "val/images/val_0.JPEG"),
        (lambda files: files.update({"wnids.txt": b"n01\nn02\n"}), "train/n03/images/n03_"),
        (lambda files: files.update({"train/n01/images/n01_1.JPEG": b""}), "train/n01/images/n01_1.JPEG"),
        (lambda files: files.update({"train/n01/images/n01_1.JPEG": official.jpeg(1)[:900]}), "train/n01/images/n01_1.JPEG"),
        (lambda files: files.update({"train/n01/images/n01_1.JPEG": official.jpeg(1, size=(64, 65))}), "64 x 65"),
        (lambda files: files.update({"train/n01/images/n01_1.JPEG": official.jpeg(1, size=(1001, 1000))}), "1001 x 1000 pixels"),
        (lambda files: files.update({"train/n01/images/n01_1.JPEG": png()}), "train/n01/images/n01_1.JPEG"),
    ],
)
def test_errors_in_tiny_imagenet_name_the_file(tmp_path, packed, change, value):
    path = tiny_with(tmp_path, packed, change)
    message = refusal(load, path).message
    assert value in message
    assert str(path) in message


def png():
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


def test_a_zip_bomb_is_refused(tmp_path):
    path = write_tiny_imagenet(tmp_path, packed=True)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny-imagenet-200/train/n01/images/n01_99.JPEG", b"\0" * 10_000_001)
    message = refusal(load, path).message
    assert "n01_99.JPEG" in message
    assert "10,000,001 bytes" in message


def test_tiny_imagenet_that_would_not_fit_is_refused(tmp_path, monkeypatch):
    path = write_tiny_imagenet(tmp_path, packed=True)
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    assert isinstance(refusal(load, path), NotEnoughMemory)


def test_skip_bad_skips_a_damaged_image(tmp_path):
    files = official.tiny_imagenet_files() | {"train/n01/images/n01_1.JPEG": b""}
    data = load(write_tiny_imagenet(tmp_path, packed=True, files=files), skip_bad=True)
    assert data.train.counts == {0: 4, 1: 3, 2: 4}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "images/"])
@pytest.mark.parametrize("annotated", [True, False])
def test_validation_images_may_be_sorted_by_class(tmp_path, packed, below, annotated):
    expected = load(write_tiny_imagenet(tmp_path / "official", packed=packed))
    files = official.tiny_imagenet_files()
    for row in files["val/val_annotations.txt"].decode().splitlines():
        name, wnid = row.split("\t")[:2]
        files[f"val/{wnid}/{below}{name}"] = files.pop(f"val/images/{name}")
    if not annotated:
        files.pop("val/val_annotations.txt")
    data = load(write_tiny_imagenet(tmp_path / "sorted", packed=packed, files=files))
    assert data.test.fingerprint() == expected.test.fingerprint()
    assert data.train.fingerprint() == expected.train.fingerprint()
