"""The cache of decoded images: hits, misses, damage and deletion."""

import errno
import json
import logging
import os
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.core import stored_images
from condensation.core.errors import CondensationError
from condensation.core.image_files import ImageFiles
from condensation.core.rng import Rng
from condensation.core.stored_images import StoredImages
from condensation.data import cache
from condensation.data.dataset import ReadOptions
from condensation.data.decode import parallel as decoding
from condensation.data.decode.decode import DecodedImage
from condensation.data.decode.parallel import PendingData, PendingImage, PendingImages
from condensation.data.load import load
from condensation.data.pack import digests, index, writer
from condensation.data.pack.index import INDEX
from condensation.data.pack.writer import JOURNAL

from .pictures import picture, write_classes
from .refusals import refusal


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of images, and a cache of its own."""
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    write_classes(tmp_path / "mine")
    return tmp_path / "mine"


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "images").glob("*"))


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


@pytest.mark.parametrize("file", [INDEX, JOURNAL, "images-0000.bin"])
@pytest.mark.parametrize("keep", [0, 4, 0.5, -1, "flip"])
def test_a_damaged_file_is_made_again(tmp_path, folder, decoded, caplog, keep, file):
    first = load(folder, size=6)
    (path,) = [entry / file for entry in kept(tmp_path)]
    content = bytearray(path.read_bytes())
    if keep == "flip":
        content[-5] ^= 1
    else:
        content = content[: int(len(content) * keep) if isinstance(keep, float) else keep]
    path.write_bytes(content)
    harmless = (file, keep) in [(JOURNAL, "flip"), (INDEX, -1)]  # names that nothing reads again, and the end of the line
    assert same(first, load(folder, size=6))
    assert len(decoded) == (15 if harmless else 30)
    assert [record.message.partition(" (")[0] for record in caplog.records] == [f"{path.parent} is damaged"] * (not harmless)
    assert same(first, load(folder, size=6))
    assert len(decoded) == (15 if harmless else 30)


def test_the_cache_can_be_deleted_at_any_time(tmp_path, folder):
    first = load(folder, size=6)
    for entry in kept(tmp_path):
        shutil.rmtree(entry)
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
    monkeypatch.setattr(writer, "free_space", lambda path: 100)
    with caplog.at_level(logging.WARNING):
        assert len(load(folder, size=6).train) == 12
    assert "100 bytes are free" in caplog.text
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


def test_failed_reads_are_not_cached(tmp_path, folder):
    Image.new("RGB", (4, 4)).save(folder / "a" / "big.png")
    assert refusal(load, folder).setting == "data.size"
    assert not kept(tmp_path)


def test_an_old_file_of_the_same_source_is_removed(tmp_path, folder):
    load(folder)
    (entry,) = kept(tmp_path)
    key = entry.name.partition("-")[0]
    shutil.rmtree(entry)
    (entry.parent / f"{key}-0.safetensors").touch()
    load(folder)
    assert kept(tmp_path) == [entry]


DECODED = DecodedImage(np.zeros((1, 2, 2), dtype=np.uint8), "L", (2, 2))
DEEP = "[" * 100_000 + "]" * 100_000
WRONG_VALUES = {"class_names": 5, "train": {}, "files": [], "found": 5, "origins": ["a"], "shape": [3], "warnings": 1, "names": None}


@pytest.mark.parametrize("name", [*WRONG_VALUES, "deep", "null"])
def test_an_index_of_a_wrong_kind_is_decoded_again_and_told(name, tmp_path, folder, caplog):
    expected = load(folder).train.fingerprint()
    (entry,) = kept(tmp_path)
    content = json.loads((entry / INDEX).read_text())
    del content["format"], content["digest"], content["kind"]
    content |= {name: WRONG_VALUES[name]} if name in WRONG_VALUES else {}
    text = index.as_json({"format": index.FORMAT, "digest": index._digest(content), **content})
    (entry / INDEX).write_bytes({"deep": DEEP.encode(), "null": b"null"}.get(name, text))
    for told in (1, 0):
        caplog.clear()
        assert load(folder).train.fingerprint() == expected
        messages = [record.message for record in caplog.records if f"{entry} is damaged" in record.message]
        assert len(messages) == told
        assert not any("\n" in message for message in messages)


@pytest.fixture
def large(monkeypatch):
    """All images are so many that they stay in their files."""
    monkeypatch.setattr(stored_images, "IN_MEMORY", 0)


def test_many_images_stay_in_the_files_of_the_cache(folder, large, monkeypatch):
    first = load(folder, size=6)
    monkeypatch.setenv("CONDENSATION_CACHE", "none")
    plain = load(folder, size=6)
    assert isinstance(first.train.images, StoredImages)
    assert torch.equal(first.train.images[:], plain.train.images)
    assert first.train.fingerprint() == plain.train.fingerprint()
    assert (first.note, first.details, first.files, first.origins) == (plain.note, plain.details, plain.files, plain.origins)


def test_a_start_reads_the_index_of_many_images_alone(folder, large, monkeypatch):
    load(folder)
    monkeypatch.setattr(ImageFiles, "_read", None)
    assert len(load(folder).train) == 12


def test_damage_of_many_images_stops_the_run_that_meets_it(tmp_path, folder, large, monkeypatch):
    monkeypatch.setattr(digests, "REST", 0.0)
    load(folder)
    path = kept(tmp_path)[0] / "images-0000.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    train = load(folder).train
    train.draw(1, Rng(0).child("step", 0))
    for thread in threading.enumerate():
        if thread.name == "digests":
            thread.join()
    assert "class 'c'" in refusal(train.inputs).message


def test_images_that_another_process_removes_can_still_be_read(folder, large):
    data = load(folder)
    change(folder)
    load(folder)  # removes the older state
    assert int(data.train.images[:].sum()) > 0


def test_finished_classes_are_kept_if_an_image_cannot_be_read(tmp_path, folder, decoded):
    (folder / "c" / "bad.png").touch()
    assert refusal(load, folder).setting == "data.skip_bad"
    assert len(load(folder, skip_bad=True).train) == 12
    assert sum("/c/" not in path for path in decoded) == 10


@pytest.mark.parametrize("settings", [{"skip_bad": True}, {"skip_bad": True, "drop_empty": True}])
def test_a_class_without_a_readable_image_is_as_without_a_cache(folder, monkeypatch, settings):
    for path in (folder / "b").iterdir():
        path.write_bytes(b"damaged")

    def result():
        try:
            return load(folder, **settings).train.fingerprint()
        except CondensationError as error:
            return error.message

    results = [result(), result()]
    monkeypatch.setenv("CONDENSATION_CACHE", "none")
    assert results == [result()] * 2


def test_tables_give_the_same_as_without_a_cache(tmp_path, folder, monkeypatch):
    """In the order of its lines, sums for ZCA would be rounded otherwise."""
    files = sorted(folder.glob("*/*.png"), key=lambda path: path.name)
    (folder / "table.csv").write_text("path,label\n" + "\n".join(f"{file},{file.parent.name}" for file in files))
    first, second = (load(folder / "table.csv", preprocessing="zca") for _ in range(2))
    monkeypatch.setenv("CONDENSATION_CACHE", "none")
    plain = load(folder / "table.csv", preprocessing="zca")
    for data in (first, second):
        assert same(data, plain)
        assert (data.train.preprocessing.fingerprint(), data.details) == (plain.train.preprocessing.fingerprint(), plain.details)


def test_warnings_are_repeated(tmp_path, folder, caplog):
    Image.new("RGB", (10, 8)).save(folder / "a" / "plain.png")
    counts = []
    for _ in range(2):
        caplog.clear()
        load(folder)
        counts.append([record.message for record in caplog.records])
    assert counts[0] == counts[1]
    assert len(counts[0]) == 1


@pytest.mark.slow
def test_names_of_any_length_fit_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    names = tuple("x" * 60_000_000 + str(number) for number in range(4))
    items = [PendingImage(name, number // 2, lambda options: DECODED) for number, name in enumerate(names)]
    pending = PendingData(PendingImages(items, 4, "here", ("a", "b"), (0, 0, 1, 1)), None, "", {}, [])
    first = cache.read_cached(("test", "here"), [1], ReadOptions(), lambda: pytest.fail("it was read at once"), pending)
    again = cache.read_cached(("test", "here"), [1], ReadOptions(), lambda: pytest.fail("it was read again"))
    assert torch.equal(again.train.images, first.train.images)
    assert (kept(tmp_path)[0] / JOURNAL).stat().st_size > 240_000_000
