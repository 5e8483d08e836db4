"""Runs and evaluations of the command on a folder of images."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from condensation import CondensedSet
from condensation.data.load import load
from tests.data.pictures import picture, write_classes

FAST = (
    "method.steps=2 method.batch_per_class=4 method.networks.spec.width=8 method.networks.spec.depth=1 evaluation.networks=1 "
    "evaluation.network.width=8 evaluation.network.depth=1 evaluation.recipe.epochs=1 compute.precision=float32 compute.compile=never"
).split()


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def flowers(tmp_path):
    """Two classes, one of them small, in several sizes, with a file that cannot be read."""
    write_classes(tmp_path / "flowers", ("rose", "été"), count=15, size=(20, 14))
    write_classes(tmp_path / "flowers", ("-few",), count=5, size=(12, 16))
    Image.new("L", (9, 9)).save(tmp_path / "flowers" / "rose" / "grey.jpg")
    (tmp_path / "flowers" / "rose" / "bad.jpg").write_bytes(b"\xff\xd8\xff no photograph")
    return tmp_path / "flowers"


RUN = ("--size", "8x10", "--fit", "pad", "--skip-bad", "--small-classes", "all")


def test_a_run_records_the_data_of_a_folder(condense, flowers, monkeypatch):
    monkeypatch.setattr("condensation.report.progress.READING_DELAY", -1.0)
    code, output, errors = condense("run", "-d", flowers, "-i", 6, *RUN, "-o", "out", *FAST)
    assert code == 0, errors
    assert "reading images 37/37" in errors
    condensed = CondensedSet.load("out")
    assert condensed.images.counts == {0: 4, 1: 6, 2: 6}
    assert condensed.images.class_names == ("-few", "rose", "été")
    assert condensed.images.shape == (3, 8, 10)
    about = condensed.card["data"]
    assert about["split"] == load(flowers, size="8x10", fit="pad", skip_bad=True).details["split"]
    assert about["skipped"]["images"][0]["name"].endswith("bad.jpg")
    for line in (
        "Classes with fewer than 6 training images use all of them: -few 4.",
        "7 of 36 images, a fifth of each class, were held out at random (seed 0).",
        "1 image could not be read and was skipped:",
        "bad.jpg cannot be read as an image",
    ):
        assert line in output
    settings = json.loads(Path("out/settings.json").read_text(encoding="utf-8"))["settings"]
    assert settings["small_classes"] == "all"
    assert (settings["data"]["size"], settings["data"]["fit"], settings["data"]["skip_bad"]) == ("8x10", "pad", True)


def test_the_card_alone_reproduces_the_images(condense, flowers):
    assert condense("run", "-d", flowers, "-i", 2, *RUN, "-o", "out", "-q", *FAST)[0] == 0
    code, output, errors = condense("evaluate", "out", "--json", *FAST[5:])
    assert code == 0, errors
    assert json.loads(output)["test"]["images"] == 7
    assert "have changed" not in errors
    assert condense("run", "--config", "out/settings.json", "-o", "again", "-q")[0] == 0
    assert torch.equal(CondensedSet.load("out").images.images, CondensedSet.load("again").images.images)


def test_other_data_are_read_with_the_settings_of_the_set(condense, flowers):
    assert condense("run", "-d", flowers, "-i", 2, *RUN, "-o", "out", "-q", *FAST)[0] == 0
    expected = json.loads(condense("evaluate", "out", "--json", *FAST[5:])[1])
    flowers.rename("moved")
    code, output, errors = condense("evaluate", "out", "-d", "moved", "--json", *FAST[5:])
    assert code == 0, errors
    assert json.loads(output)["sets"]["out"]["per_class"] == expected["sets"]["out"]["per_class"]


def test_a_changed_test_split_is_warned_about(condense, flowers, caplog):
    assert condense("run", "-d", flowers, "-i", 2, *RUN, "-o", "out", "-q", *FAST)[0] == 0
    for number in range(5):
        picture(900 + number).save(flowers / "été" / f"new {number}.png")
    with caplog.at_level(logging.WARNING):
        assert condense("evaluate", "out", *FAST[5:])[0] == 0
    assert "the images of flowers have changed" in caplog.text


def test_another_test_split_of_a_copy_is_warned_about(condense, flowers, caplog):
    assert condense("run", "-d", flowers, "-i", 2, *RUN, "-o", "out", "-q", *FAST)[0] == 0
    shutil.copytree(flowers, "copied")
    with caplog.at_level(logging.WARNING):
        assert condense("evaluate", "out", "-d", "copied", *FAST[5:])[0] == 0
    assert "test split" not in caplog.text
    Path("copied/été/3.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert condense("evaluate", "out", "-d", "copied", *FAST[5:])[0] == 0
    assert "copied has another test split than flowers" in caplog.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "8"), "--skip-bad"),
        (("--skip-bad",), "--size 64"),
        (("--skip-bad", "--size", "8"), "at most 4, the number of images of class '-few'; got 6."),
        (("--skip-bad", "--size", "8", "--small-classes", "repeat"), "repeat"),
        (("--skip-bad", "--size", "big"), "48x64"),
        (("--skip-bad", "--size", "8", "--fit", "stretch"), "stretch"),
    ],
)
def test_errors_leave_no_files(condense, flowers, options, words):
    code, _, errors = condense("run", "-d", flowers, "-i", 6, "-o", "out", "-q", *options, *FAST)
    assert code == 2
    assert words in errors
    assert "Traceback" not in errors
    assert not (flowers.parent / "out").exists()


def test_small_classes_is_part_of_a_run(condense, flowers):
    assert condense("run", "-d", flowers, "-i", 2, *RUN, "-o", "out", "-q", *FAST)[0] == 0
    code, _, errors = condense("run", "-d", flowers, "-i", 2, *RUN[:-1], "error", "-o", "out", "-q", "--resume", *FAST)
    assert code == 2
    assert "small_classes" in errors


def test_equal_sizes_are_equal_settings(condense):
    texts = [condense("run", "-d", "x", "--size", size, "--print-config")[1] for size in ("64", "64x64", "64X64")]
    assert texts[0] == texts[1] == texts[2]
    assert "size = 64\n" in texts[0]


def test_sizes_in_a_file_and_random_images_of_small_classes(condense, flowers, tmp_path):
    (tmp_path / "s.toml").write_text('[data]\nsize = "8x10"\nskip_bad = true\n')
    code, _, errors = condense("evaluate", "--config", "s.toml", "-d", flowers, "--random", 6, *FAST[5:])
    assert code == 2
    assert "--small-classes all" in errors
    code, output, errors = condense(
        "evaluate", "--config", "s.toml", "-d", flowers, "--random", 6, "--small-classes", "all", "--json", *FAST[5:]
    )
    assert code == 0, errors
    assert json.loads(output)["sets"]["random"]["images"] == 16


def test_random_images_follow_the_rule_of_the_set(condense, flowers):
    assert condense("run", "-d", flowers, "-i", 6, *RUN, "-o", "out", "-q", *FAST)[0] == 0
    code, output, errors = condense("evaluate", "out", "--random", 6, "--json", *FAST[5:])
    assert code == 0, errors
    assert json.loads(output)["sets"]["random"]["images"] == 16
    code, _, errors = condense("evaluate", "out", "--random", 6, "--small-classes", "error", *FAST[5:])
    assert code == 2
    assert "at most 4, the number of images of class '-few'; got 6." in errors


def test_stopping_while_reading_writes_nothing(condense, flowers, monkeypatch):
    from condensation.methods.step_info import Stopped
    from condensation.report.progress import Reporter

    def stop(self, done, total):
        raise Stopped("enough")

    monkeypatch.setattr(Reporter, "reading", stop)
    code, _, errors = condense("run", "-d", flowers, "-i", 2, *RUN, "-o", "out", "-q", *FAST)
    assert code == 130
    assert "nothing was condensed yet. Run the same command again." in errors


@pytest.mark.parametrize(("count", "words"), [(1, "1 of 13 test images"), (2, "2 of 14 test images")])
def test_duplicates_are_warned_about_once(condense, tmp_path, caplog, count, words):
    write_classes(tmp_path / "mine" / "train", ("a", "b"), count=15, size=(8, 8))
    write_classes(tmp_path / "mine" / "test", ("a", "b"), count=6, size=(8, 8))
    for place, name in enumerate("ab"):  # other images than those of the training part
        for number in range(6):
            picture(5000 + 100 * place + number, size=(8, 8)).save(tmp_path / "mine" / "test" / name / f"{number}.png")
    for number in range(count):
        shutil.copy(tmp_path / "mine" / "train" / "b" / f"{number}.png", tmp_path / "mine" / "test" / "b" / f"again {number}.png")
    arguments = ("run", "-d", "mine", "-i", 2, "-o", "out", *FAST)
    with caplog.at_level(logging.WARNING):
        code, output, errors = condense(*arguments)
    assert code == 0, errors
    assert sum(words in line for line in caplog.messages) == 1
    assert "pixel for pixel" not in output
    assert "pixel for pixel: test accuracies are too high" in condense(*arguments, "--resume")[1]  # nothing is read then
