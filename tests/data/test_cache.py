"""The cache of decoded images: hits, misses, damage and deletion."""

import errno
import json
import logging
import os

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from condensation.data import cache
from condensation.data.dataset import RawData, RawSplit, ReadOptions
from condensation.data.decode import parallel as decoding
from condensation.data.load import load

from .pictures import picture, write_classes
from .refusals import refusal


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of images, and a cache of its own."""
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    write_classes(tmp_path / "mine")
    return tmp_path / "mine"


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "images").glob("*.safetensors"))


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the decoded images."""
    counts = []
    decode_file = decoding.decode_file
    monkeypatch.setattr(decoding, "decode_file", lambda path, options: counts.append(path) or decode_file(path, options))
    return counts


def same(first, second):
    return torch.equal(first.train.images, second.train.images) and torch.equal(first.test.images, second.test.images)


def test_the_second_time_nothing_is_decoded_and_all_is_the_same(folder, decoded):
    first = load(folder, size=6)
    assert len(decoded) == 15
    second = load(folder, size=6)
    assert len(decoded) == 15
    assert same(first, second)
    assert first.train.labels.tolist() == second.train.labels.tolist()
    assert first.train.class_names == second.train.class_names
    assert (first.note, first.details, first.files) == (second.note, second.details, second.files)


def test_given_test_splits_are_cached(tmp_path, folder, decoded):
    write_classes(tmp_path / "two" / "train")
    write_classes(tmp_path / "two" / "val", count=2)
    assert same(load(tmp_path / "two"), load(tmp_path / "two"))
    assert len(decoded) == 21


@pytest.mark.parametrize("options", [{"size": 5}, {"size": "6x5"}, {"size": 6, "fit": "pad"}, {}])
def test_other_options_decode_again(folder, decoded, options):
    load(folder, size=6)
    load(folder, **options)
    assert len(decoded) == 30


def change(folder):
    picture(999).save(folder / "a" / "0.png")


def touch(folder):
    os.utime(folder / "a" / "0.png", ns=(1, 1))


def add(folder):
    picture(999).save(folder / "a" / "new.png")


def remove(folder):
    (folder / "a" / "0.png").unlink()


def rename(folder):
    (folder / "a" / "0.png").rename(folder / "a" / "zero.png")


def rename_class(folder):
    (folder / "a").rename(folder / "other")


@pytest.mark.parametrize("changed", [change, touch, add, remove, rename, rename_class])
def test_a_changed_folder_is_read_again(tmp_path, folder, decoded, changed):
    load(folder, size=6)
    changed(folder)
    before = len(decoded)
    fresh = load(folder, size=6)
    assert len(decoded) - before == len(fresh.train) + len(fresh.test)
    assert len(kept(tmp_path)) == 1  # the older state is gone


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_noticed(folder):
    """As when an archive is unpacked over another."""
    path = folder / "a" / "0.bmp"
    picture(1).save(path)
    os.utime(path, ns=(5, 5))
    first = load(folder)
    picture(2).save(path)
    os.utime(path, ns=(5, 5))
    assert not same(first, load(folder))


def test_another_folder_with_alike_files_is_another(tmp_path, folder, decoded):
    load(folder)
    write_classes(tmp_path / "twin")
    load(tmp_path / "twin")
    assert len(decoded) == 30
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("keep", [0, 4, 0.5, -1, "flip"])
def test_a_damaged_file_is_made_again(tmp_path, folder, decoded, keep):
    first = load(folder, size=6)
    (path,) = kept(tmp_path)
    content = bytearray(path.read_bytes())
    if keep == "flip":
        content[-5] ^= 1
    else:
        content = content[: int(len(content) * keep) if isinstance(keep, float) else keep]
    path.write_bytes(content)
    assert same(first, load(folder, size=6))
    assert len(decoded) == 30
    assert same(first, load(folder, size=6))
    assert len(decoded) == 30


def test_the_cache_can_be_deleted_at_any_time(tmp_path, folder):
    first = load(folder, size=6)
    for path in kept(tmp_path):
        path.unlink()
    (tmp_path / "cache" / "images").rmdir()
    assert int(first.train.images.sum()) > 0  # nothing hangs on the file
    assert same(first, load(folder, size=6))


def test_none_keeps_nothing(tmp_path, folder, monkeypatch, decoded):
    monkeypatch.setenv("CONDENSATION_CACHE", "none")
    load(folder)
    load(folder)
    assert len(decoded) == 30
    assert not (tmp_path / "cache").exists()


def test_by_default_it_is_in_the_users_cache_folder(monkeypatch):
    monkeypatch.delenv("CONDENSATION_CACHE")
    assert "condensation" in cache.cache_folder().parts


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_no_space_is_a_warning(tmp_path, folder, monkeypatch, caplog, broken):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, broken, full)
    with caplog.at_level(logging.WARNING):
        data = load(folder, size=6)
    assert len(data.train) == 12
    assert "Could not cache" in caplog.text
    assert "No space left on device" in caplog.text
    assert not list((tmp_path / "cache" / "images").iterdir())


def test_little_space_is_not_filled(tmp_path, folder, monkeypatch, caplog):
    monkeypatch.setattr(cache, "free_space", lambda path: 100)
    with caplog.at_level(logging.WARNING):
        load(folder, size=6)
    assert "not enough free space" in caplog.text
    assert not kept(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path, folder, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert len(load(folder, size=6).train) == 12
    assert "Could not cache" in caplog.text


def test_skipped_images_are_kept_as_skipped(folder, decoded):
    (folder / "a" / "bad.png").touch()
    first = load(folder, skip_bad=True)
    second = load(folder, skip_bad=True)
    assert len(decoded) == 16
    assert first.details["skipped"] == second.details["skipped"]
    assert refusal(load, folder).setting == "data.skip_bad"


def test_the_older_state_of_a_folder_is_removed(tmp_path, folder):
    load(folder, size=6)
    load(folder, size=7)
    picture(999).save(folder / "a" / "0.png")
    load(folder, size=6)
    assert len(kept(tmp_path)) == 2  # one for each size


def test_a_later_pillow_decodes_anew(folder, decoded, monkeypatch):
    load(folder)
    monkeypatch.setattr("PIL.__version__", "99")
    load(folder)
    assert len(decoded) == 30


def test_grey_stays_grey(tmp_path, folder):
    write_classes(tmp_path / "grey", mode="L")
    assert load(tmp_path / "grey").train.shape == load(tmp_path / "grey").train.shape == (1, 8, 10)


def test_no_code_is_read(tmp_path, folder):
    """The file is safetensors: numbers, and JSON."""
    load(folder)
    from safetensors import safe_open

    with safe_open(kept(tmp_path)[0], framework="pt") as file:
        assert set(file.keys()) == {"train.images", "train.labels", "card"}


def test_failed_reads_are_not_cached(tmp_path, folder):
    Image.new("RGB", (4, 4)).save(folder / "a" / "big.png")
    assert refusal(load, folder).setting == "data.size"
    assert not kept(tmp_path)


DEEP = "[" * 100_000 + "]" * 100_000
PART = {"class_names": ["a", "b"], "origin": "", "names": None}
WRONG_PARTS = [{**PART, "class_names": 5}, {**PART, "class_names": [5]}, {**PART, "origin": 5}, {**PART, "names": {}}, {}, None, []]
WRONG_CARDS = ["null", "[]", DEEP, "1" * 10_000, '{"parts": {}}', '{"parts": NaN}', json.dumps({"parts": {"train": PART}, "note": 5})]
WRONG_CARDS += [json.dumps({"parts": {"train": part}, "note": ""}) for part in WRONG_PARTS]


@pytest.mark.parametrize("card", WRONG_CARDS, ids=range(len(WRONG_CARDS)))
def test_a_card_of_a_wrong_kind_is_decoded_again_and_told(card, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (4, 4), (number, 90, 9)).save(tmp_path / "pictures" / label / f"{number}.png")
    expected = load(str(tmp_path / "pictures")).train.fingerprint()
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name).clone() for name in file.keys()}
    tensors["card"] = torch.frombuffer(bytearray(card.encode()), dtype=torch.uint8)
    save_file(tensors, path, {**metadata, "sum": cache._checksum(tensors)})
    caplog.clear()
    assert load(str(tmp_path / "pictures")).train.fingerprint() == expected
    told = [record.message for record in caplog.records if "is damaged" in record.message]
    assert len(told) == 1
    assert str(path) in told[0]
    assert "\n" not in told[0]
    caplog.clear()
    assert load(str(tmp_path / "pictures")).train.fingerprint() == expected
    assert "is damaged" not in caplog.text


@pytest.mark.slow
def test_names_of_any_length_fit_the_cache(tmp_path, monkeypatch):
    """The header of a safetensors file holds at most 100 MB, which a million long names exceed."""
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    name = "x" * 60_000_000
    split = RawSplit(torch.zeros(2, 1, 1, 1, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), "here", (name + "1", name + "2"))
    first = cache.read_cached(("test", "here"), [1], ReadOptions(), lambda: RawData(split, None))
    again = cache.read_cached(("test", "here"), [1], ReadOptions(), lambda: pytest.fail("it was read again"))
    assert again.train.names == first.train.names
    assert len(kept(tmp_path)) == 1
