"""Folders of the user's images: sizes, fitting, errors and skipped files."""

import logging
import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from condensation.core.errors import NotEnoughMemory
from condensation.data.dataset import ReadOptions, parse_size
from condensation.data.decode import parallel as decoding
from condensation.data.decode.decode import decode_file
from condensation.data.load import load

from .pictures import picture, write_classes
from .refusals import refusal


def test_a_size_may_be_a_number_or_a_pair():
    assert parse_size(None) is None
    assert parse_size(64) == parse_size("64") == parse_size("64x64") == parse_size((64, 64)) == (64, 64)
    assert parse_size("48x64") == parse_size("48X64") == parse_size((48, 64)) == (48, 64)


@pytest.mark.parametrize("size", ["", "x", "48x", "1x2x3", "a", (1, 2, 3), "4.5", 0, -3, "0x8", (8, 0)])
def test_malformed_sizes_are_refused(size):
    assert refusal(ReadOptions, size).setting == "data.size"


def test_other_values_of_fit_are_refused():
    assert refusal(ReadOptions, 8, "stretch").setting == "data.fit"


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_images_need_not_be_square(tmp_path, fit):
    write_classes(tmp_path)
    assert load(tmp_path, size="6x9", fit=fit).train.shape == (3, 6, 9)
    assert load(tmp_path, size=(9, 6), fit=fit).test.shape == (3, 9, 6)


def test_pad_keeps_all_and_crop_the_centre(tmp_path):
    Image.fromarray(np.full((10, 30), 255, dtype=np.uint8)).save(tmp_path / "wide.png")
    padded = decode_file(tmp_path / "wide.png", ReadOptions(30, "pad")).pixels[0]
    assert (padded[10:20] == 255).all()
    assert not padded[:10].any()
    assert not padded[20:].any()
    assert (decode_file(tmp_path / "wide.png", ReadOptions(30, "crop")).pixels == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_grey_or_colour(tmp_path, mode):
    write_classes(tmp_path)
    path = tmp_path / "a" / ("odd.tiff" if mode in ("CMYK", "YCbCr") else "odd.png")
    picture(7).convert(mode).save(path)
    try:
        with Image.open(path) as written:
            written.load()
    except OSError:
        pytest.skip("This version of Pillow cannot read the file that it wrote.")
    data = load(tmp_path)
    assert data.train.shape == (3, 8, 10)
    assert sum(data.files.modes.values()) == len(data.train) + len(data.test) == 16


def test_grey_images_among_colour_ones_have_three_alike_channels(tmp_path):
    for part in ("train", "test"):
        write_classes(tmp_path / part)
        picture(7, mode="L").save(tmp_path / part / "a" / "0.png")
    for images in (load(tmp_path).train.images, load(tmp_path).test.images):
        assert torch.equal(images[0, 0], images[0, 2])
        assert np.array_equal(images[0, 0].numpy(), np.asarray(picture(7, mode="L")))


def test_grey_test_images_follow_colour_training_images(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", mode="L")
    assert load(tmp_path).test.shape == (3, 8, 10)


def test_exif_rotation_is_applied(tmp_path):
    write_classes(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 8
    upright = picture(50, size=(10, 8))
    upright.rotate(-90, expand=True).save(tmp_path / "a" / "0.png", exif=exif)
    data = load(tmp_path)  # or the sizes would differ
    assert data.files.sizes == {(8, 10): 15}


@pytest.mark.parametrize("name", ["with space", "été", "海", "-dash", "a'b", "[x]", "#1", "%s", "dots.in.it"])
def test_odd_names(tmp_path, name):
    write_classes(tmp_path, (name, "other"))
    picture(9).save(tmp_path / name / f"{name} 1.png")
    data = load(tmp_path, size=8)
    assert name in data.train.class_names
    assert len(data.train) + len(data.test) == 11


@pytest.mark.skipif(os.name == "nt", reason="file names are text on Windows")
def test_names_that_are_no_text_are_read_and_can_be_printed(tmp_path):
    write_classes(tmp_path)
    try:
        picture(9).save(os.fsencode(tmp_path / "a") + b"/\xff.png", "PNG")
    except OSError:
        pytest.skip("this file system accepts only text")
    data = load(tmp_path)
    assert len(data.train) + len(data.test) == 16


def test_foreign_files_are_ignored_and_counted(tmp_path):
    write_classes(tmp_path)
    for foreign in ("__MACOSX", ".ipynb_checkpoints", "@eaDir"):
        write_classes(tmp_path, (foreign,))
    (tmp_path / "a" / ".DS_Store").touch()
    (tmp_path / "a" / "Thumbs.db").touch()
    picture(1).save(tmp_path / "cover.png")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    data = load(tmp_path)
    assert data.train.class_names == ("a", "b", "c")
    assert data.files.ignored == {
        "hidden": 1,
        "without the ending of an image (Thumbs.db)": 1,
        "not a file, or a broken link": 1,
        "outside the class folders": 1,
    }


def test_images_without_class_folders(tmp_path):
    for index in range(3):
        picture(index).save(tmp_path / f"{index}.png")
    assert "3 images" in refusal(load, tmp_path).message


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "validation")])
def test_parts_may_be_spelt_otherwise(tmp_path, names):
    write_classes(tmp_path / names[0])
    write_classes(tmp_path / names[1], count=2)
    data = load(tmp_path)
    assert (len(data.train), len(data.test)) == (15, 6)
    assert data.note == ""


def bad_files(folder):
    """Write six files that are no images; return a word of the expected error of each."""
    picture(1, size=(40, 30)).save(folder / "cut.jpg", quality=95)
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("<html>")
    frames = [picture(index) for index in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "pages.tiff", save_all=True, append_images=frames[1:])
    Image.fromarray(np.full((8, 10), np.nan, dtype=np.float32)).save(folder / "floats.tiff")
    return {
        "cut.jpg": "truncated",
        "empty.png": "it is empty",
        "text.png": "unknown to Pillow",
        "moving.gif": "contains several images",
        "pages.tiff": "contains several images",
        "floats.tiff": "NaN",
    }


def test_bad_images_are_named(tmp_path):
    for name, why in bad_files(tmp_path).items():
        folder = tmp_path / "in" / name
        write_classes(folder)
        (tmp_path / name).rename(folder / "b" / name)
        error = refusal(load, folder, size=8)
        assert error.message.startswith(str(folder / "b" / name))
        assert why in error.message
        assert error.setting == "data.skip_bad"


def test_skip_bad_skips_and_lists_bad_images(tmp_path):
    write_classes(tmp_path)
    bad = bad_files(tmp_path / "b")
    data = load(tmp_path, size=8, skip_bad=True)
    assert len(data.train) + len(data.test) == 15
    skipped = data.details["skipped"]
    assert skipped["count"] == 6
    assert [image["name"] for image in skipped["images"]] == sorted(str(tmp_path / "b" / name) for name in bad)
    assert all(bad[image["name"].rpartition(os.sep)[2]] in image["why"] for image in skipped["images"])


def test_a_photograph_of_several_views_is_one_image(tmp_path):
    write_classes(tmp_path)
    picture(1).save(tmp_path / "a" / "views.jpg", "MPO", save_all=True, append_images=[picture(2)])
    assert sum(load(tmp_path).files.sizes.values()) == 16


def test_a_decompression_bomb_is_refused_by_name(tmp_path, monkeypatch):
    write_classes(tmp_path)
    Image.new("L", (300, 300)).save(tmp_path / "b" / "bomb.png")
    for limit in (50_000, 1000):  # of the first Pillow warns, the second it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        message = refusal(load, tmp_path, size=8).message
        assert "bomb.png" in message
        assert f"{limit:,} pixels" in message
    assert load(tmp_path, size=8, skip_bad=True).details["skipped"]["count"] == 1


def test_a_class_of_bad_images_alone_is_empty(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bad.png").touch()
    assert "'d'" in refusal(load, tmp_path, skip_bad=True).message


def test_bad_images_alone(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bad.png").touch()
    assert "bad.png" in refusal(load, tmp_path, skip_bad=True).message


def test_duplicates_are_counted(tmp_path, caplog):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", ("a",), count=2)
    picture(77).save(tmp_path / "test" / "a" / "other.png")
    with caplog.at_level(logging.WARNING):
        data = load(tmp_path)
    assert data.details["in_both"] == 2
    assert "2 of 3 test images" in caplog.text
    assert os.path.join("test", "a", "0.png") in caplog.text


def test_the_split_is_recorded_and_tells_one_from_another(tmp_path):
    write_classes(tmp_path, count=10)
    split = load(tmp_path).details["split"]
    assert {key: split[key] for key in ("set_aside", "of", "seed")} == {"set_aside": 6, "of": 30, "seed": 0}
    assert load(tmp_path).details["split"] == split
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert load(moved).details["split"] == split
    for index in range(5):
        picture(500 + index).save(moved / "a" / f"a{index}.png")
    assert load(moved).details["split"]["digest"] != split["digest"]


def test_a_given_test_split_is_not_recorded(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", ("a",))
    assert "split" not in load(tmp_path).details


def test_progress_goes_over_both_parts(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", count=2)
    reports = []
    load(tmp_path, on_progress=lambda done, total: reports.append((done, total)))
    assert reports == [(done, 21) for done in range(1, 22)]


def test_an_exception_of_on_progress_stops_reading(tmp_path):
    class Enough(Exception):
        pass

    def stop(done, total):
        if done == 3:
            raise Enough

    write_classes(tmp_path, count=40)
    before = threading.active_count()
    with pytest.raises(Enough):
        load(tmp_path, on_progress=stop)
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [1, 3])
def test_threads_change_no_byte(tmp_path, monkeypatch, count):
    write_classes(tmp_path, count=40)
    expected = [np.asarray(picture(100 * place + index)) for place in range(3) for index in sorted(range(40), key=lambda n: f"{n}.png")]
    monkeypatch.setattr(decoding, "thread_count", lambda: count)
    monkeypatch.setattr(decoding, "BLOCK", 7)
    write_classes(tmp_path / "parts" / "test", count=1)
    (tmp_path / "parts" / "train").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / name).rename(tmp_path / "parts" / "train" / name)
    images = load(tmp_path / "parts").train.images
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), np.stack(expected))


def test_memory_is_asked_for_before_it_is_used(tmp_path, monkeypatch):
    write_classes(tmp_path)
    monkeypatch.setattr("condensation.core.memory.free_memory", lambda: 100)
    monkeypatch.setattr(np, "empty", None)
    error = refusal(load, tmp_path)
    assert isinstance(error, NotEnoughMemory)
    assert "7.2 kB" in error.message


def test_large_photographs_are_decoded_smaller_and_look_the_same(tmp_path):
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        (400, 300), Image.Resampling.BICUBIC
    )
    photograph.save(tmp_path / "large.jpg", quality=95)
    photograph.save(tmp_path / "large.png")
    small, full = (decode_file(tmp_path / name, ReadOptions(32)) for name in ("large.jpg", "large.png"))
    assert small.shape == full.shape == (300, 400)
    assert np.abs(small.pixels.astype(int) - full.pixels).mean() < 2
