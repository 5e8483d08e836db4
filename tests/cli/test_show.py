"""``condense show``."""

import json
from pathlib import Path

import pytest
from PIL import Image

from condensation import CondensedSet
from tests.cli.runs import FAST, colour_data

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_show_a_folder(condense, finished):
    code, said, _ = condense("show", finished, "-o", "here.png")
    assert code == 0
    assert "10 images of 1x8x8, 10 classes, 1 per class; preprocessing: standardize" in said
    with Image.open("here.png") as picture:
        assert picture.format == "PNG"


def test_show_a_file_draws_beside_it(condense, finished):
    Path("a.safetensors").write_bytes((finished / "set.safetensors").read_bytes())
    assert condense("show", "a.safetensors")[0] == 0
    assert Path("a.png").exists()


def test_show_as_json(condense, finished):
    content = json.loads(condense("show", finished, "-o", "a.png", "--json")[1])
    assert (content["picture"], content["preprocessing"]) == ("a.png", "standardize")


def test_show_without_the_data_prints_the_reason(condense, tmp_path):
    colour_data(tmp_path / "mine")
    assert condense("run", "-d", "./mine", "-i", 2, *FAST, "-o", "out", "-q")[0] == 0
    (tmp_path / "mine").rename(tmp_path / "gone")
    code, said, _ = condense("show", "out", "-o", "a.png")
    assert code == 0
    assert "Without real images: " in said
    assert Path("a.png").exists()


def test_show_detects_changed_data(condense, tmp_path):
    colour_data(tmp_path / "mine")
    assert condense("run", "-d", "./mine", "-i", 2, *FAST, "-o", "out", "-q")[0] == 0
    (tmp_path / "mine").rename(tmp_path / "gone")
    colour_data(tmp_path / "mine", classes=3)
    assert "./mine has changed since the set was made" in condense("show", "out", "-o", "a.png")[1]


def test_show_a_set_without_a_card(condense, finished):
    CondensedSet(CondensedSet.load(finished).images).save("bare.safetensors")
    code, said, _ = condense("show", "bare.safetensors")
    assert code == 0
    assert "the card of the set does not name its data" in said


def test_show_a_set_of_a_later_version(condense, finished):
    made = CondensedSet.load(finished)
    card = {**made.card, "settings": {**made.card["settings"], "method": {"name": "yet-to-be-invented"}}}
    CondensedSet(made.images, card).save("later.safetensors")
    assert condense("show", "later.safetensors")[0] == 0


def test_a_picture_of_an_unknown_kind(refused, finished):
    assert "such as --out grid.png" in refused("show", finished, "-o", "a.docx")
    assert "such as --out grid.png" in refused("show", finished, "-o", "folder")


def test_a_folder_in_the_way_of_a_picture(refused, finished):
    Path("a.png").mkdir()
    said = refused("show", finished, "-o", "a.png")
    assert "Could not write a.png" in said
    assert "--out" in said
    assert "--resume" not in said


def test_a_card_is_printed_where_no_picture_can_be_written(condense, finished):
    (finished / "grid.png").unlink()
    (finished / "grid.png").mkdir()  # a read-only folder does not stop root
    code, printed, errors = condense("show", finished)
    assert (code, errors) == (0, "")
    assert "Without a picture: Could not write" in printed
    assert "digits" in printed
    about = json.loads(condense("show", finished, "--json")[1])
    assert about["picture"] is None
    assert "grid.png" in about["no_picture"]


def test_a_checkpoint_is_not_a_set(refused, finished):
    assert "not a condensed set (it says: checkpoint)" in refused("show", finished / "checkpoint.safetensors")
