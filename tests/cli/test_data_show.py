"""``condense data show``."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from condensation.cli.main import app
from condensation.core.errors import CondensationError, NoSuchData, NotWritten
from tests.data.pictures import picture, write_classes


def show(*words):
    result = CliRunner().invoke(app, ["data", "show", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change to a folder for pictures, and return the one above it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_a_folder(here):
    write_classes(here / "mine", ("cat", "dog [x]"))
    picture(9, mode="L").save(here / "mine" / "cat" / "grey.png")
    (here / "mine" / "cat" / "notes.txt").touch()
    said = show(here / "mine")
    for part in (
        "mine: a sub-folder of images for each class",
        "9 training and 2 test images of 2 classes",
        "dog [x]",
        "Sizes: all 8 x 10 (height x width)",
        "Modes: RGB 10, L 1",
        "Passed over: 1 ",
        "Read as: 8 x 10 (height x width), colour",
        "Memory: 2.6 kB",
        "2 of 11 images, a fifth of each class, were held out",
        "Picture: data.png",
    ):
        assert part in said
    with Image.open(here / "here" / "data.png") as shown:
        assert shown.width > 100
    assert not list((here / "mine").glob("*.png"))


def test_images_of_several_sizes_are_drawn_in_one(here):
    write_classes(here / "mine")
    picture(9, size=(30, 40)).save(here / "mine" / "a" / "large.png")
    said = show(here / "mine")
    assert "Sizes: 2 different; height 8 to 40, median 8; width 10 to 30, median 10" in said
    assert "a run needs --size; the picture shows them with --size 64" in said
    assert "Read as: 12 x 16" in show(here / "mine", "--size", "12x16")


def test_bad_images_are_listed(here):
    write_classes(here / "mine")
    (here / "mine" / "b" / "bad.png").touch()
    said = show(here / "mine")
    assert "1 image could not be read:" in said
    assert f"{here / 'mine' / 'b' / 'bad.png'} cannot be read as an image: it is empty" in said
    assert "Passed over: 1 unreadable\n" in said
    assert "A run stops at such an image, unless --skip-bad is given." in said
    said = show(here / "mine", "--skip-bad")
    assert "1 image could not be read and was skipped:" in said
    assert "unreadable, skipped" in said
    assert "A run stops" not in said


def test_repeated_images_and_files_without_the_ending_of_an_image_are_named(here):
    write_classes(here / "mine", count=10)
    for number in range(3):
        (here / "mine" / "b" / f"again{number}.png").write_bytes((here / "mine" / "b" / "0.png").read_bytes())
    (here / "mine" / "b" / "notes.txt").touch()
    said = show(here / "mine")
    assert "training images equal earlier ones, pixel for pixel." in said or "training image equals an earlier one" in said
    assert "1 without the ending of an image (notes.txt)" in said
    for number, name in enumerate("aab"):
        (here / "mine" / name / f"{number}.pdf.txt").touch()
    assert "4 without the ending of an image\n" in show(here / "mine")


def test_json_and_a_chosen_picture(here):
    write_classes(here / "mine" / "train", count=6)
    write_classes(here / "mine" / "test", ("a", "b"), count=2)
    picture(100).save(here / "mine" / "test" / "b" / "0.png")  # it is in train too, as b/0.png
    said = json.loads(show(here / "mine", "--json", "--out", here / "p.jpg", "--rows", 1, "--size", "4x6", "--fit", "pad"))
    assert said["classes"] == {"a": {"train": 6, "test": 2}, "b": {"train": 6, "test": 2}, "c": {"train": 6, "test": 0}}
    assert said["images"] == {"train": 18, "test": 4}
    assert said["shape"] == [3, 4, 6]
    assert said["found"]["sizes"] == {"different": 1, "height": [8, 8, 8], "width": [10, 10, 10]}
    assert said["found"]["modes"] == {"RGB": 22}
    assert said["memory"]["bytes"] == 22 * 72
    assert said["in_both"] >= 1
    assert said["picture"] == str(here / "p.jpg")
    assert (here / "p.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_other_kinds_of_data(here):
    assert "digits: bundled" in show("digits")
    (here / "arrays").mkdir()
    np.savez(here / "arrays" / "train.npz", images=np.zeros((40, 8, 8), dtype=np.uint8), labels=np.arange(40) % 2)
    assert "arrays: train.npz and test.npz" in show(here / "arrays")
    write_classes(here / "in")
    (here / "t.csv").write_text("where,what\n" + "\n".join(f"in/{name}/{n}.png,{name}" for name in "abc" for n in range(5)))
    assert "12 training and 3 test images of 3 classes" in show(here / "t.csv", "columns=where,what")


def test_settings_and_options_are_those_of_a_run(here):
    write_classes(here / "in")
    (here / "t.csv").write_text("where,what\n" + "\n".join(f"in/{name}/{n}.png,{name}" for name in "abc" for n in range(5)))
    with pytest.raises(CondensationError, match=r"data\.columns="):
        show(here / "t.csv")
    assert "12 training" in show(here / "t.csv", "data.columns=where,what", "data.size=4x5")
    assert show(here / "in", "--skip-bad", "--json") == show(here / "in", "--json")
    with pytest.raises(CondensationError, match="'method'"):
        show(here / "in", "method.lr=1")
    assert "method.lr" not in show("--help")


def test_quiet_draws_only(here):
    assert show("digits", "--quiet") == ""
    assert (here / "here" / "data.png").exists()


def test_many_classes_are_cut_short(here):
    write_classes(here / "mine", tuple(f"c{n}" for n in range(45)), count=2)
    assert "... and 5 more" in show(here / "mine")


def test_bad_input_is_refused(here):
    with pytest.raises(NoSuchData):
        show(here / "nothing")
    with pytest.raises(CondensationError, match=r"x\.nothing"):
        show("digits", "--out", "x.nothing")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which even root cannot write")
def test_without_a_place_for_the_picture(monkeypatch):
    monkeypatch.chdir("/proc/self")
    assert "1,438 training and 359 test images" in show("digits")
    assert "Could not write data.png" in show("digits")
    assert json.loads(show("digits", "--json"))["picture"] is None
    with pytest.raises(NotWritten):
        show("digits", "--out", "named.png")
