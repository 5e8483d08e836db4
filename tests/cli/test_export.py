"""``condense export``, ``condense import``, and ``condense show`` of several sets."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from condensation import CondensedSet, DataSettings, EvaluationSettings, Recipe, RunSettings, run
from condensation.core.compute import Compute
from condensation.core.form import Tiles
from condensation.methods.random import Random
from condensation.networks.convnet import ConvNet
from tests.artifacts.test_official_format import normalized, official
from tests.small import CPU

EVALUATION = EvaluationSettings(1, ConvNet(width=8), Recipe(epochs=2))


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return the folder of an evaluated run of random digits."""
    folder = tmp_path_factory.mktemp("sets") / "digits"
    run(RunSettings(DataSettings("digits"), Random(), 2, evaluation=EVALUATION, compute=Compute(**CPU)), folder)
    return folder


# -- condense export


@pytest.mark.parametrize(("to", "file"), [("png", "labels.csv"), ("npz", "set.npz"), ("torch", "set.pt"), ("parquet", "train.parquet")])
def test_an_export_is_beside_the_run_by_default(condense, digits, to, file):
    code, said, _ = condense("export", digits, "--to", to)
    folder = digits.with_name(f"digits-{to}")
    assert code == 0
    assert f"{to}: {folder}" in said
    assert (folder / file).is_file()


def test_an_export_of_a_file_is_beside_it(condense, digits):
    CondensedSet.load(digits).save("mine.safetensors")
    assert condense("export", "mine.safetensors", "--to", "npz")[0] == 0
    assert Path("mine-npz/README.md").is_file()


def test_an_export_of_the_current_folder_is_beside_it(condense, digits, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    CondensedSet.load(digits).save("set.safetensors")
    assert condense("export", ".", "--to", "npz")[0] == 0
    assert (tmp_path / "run-npz" / "set.npz").is_file()


def test_the_upload_command_is_printed(condense, digits):
    assert "hf upload OWNER/NAME out --repo-type dataset" in condense("export", digits, "--to", "hub", "-o", "out")[1]


def test_an_export_as_json(condense, digits):
    assert json.loads(condense("export", digits, "--to", "npz", "-o", "out", "--json")[1]) == {"folder": "out", "to": "npz", "views": None}


def test_a_quiet_export_prints_nothing(condense, digits):
    assert condense("export", digits, "--to", "npz", "-o", "out", "--quiet") == (0, "", "")


def test_evaluate_compares_the_set_and_its_8_bit_images(condense, digits):
    code, said, _ = condense("export", digits, "--to", "png", "-o", "out", "--evaluate", "--json")
    assert code == 0
    views = json.loads(said)["views"]
    # Real images have 8 bits already; the recipe is that of the run.
    assert views["sets"]["8-bit"]["values"] == views["sets"]["float32"]["values"]
    assert views["evaluation"]["recipe"]["epochs"] == 2
    assert json.loads(Path("out/card.json").read_text())["views"] == views


def test_the_evaluation_takes_settings(condense, digits):
    words = ("evaluation.networks=2", "evaluation.recipe.epochs=1")
    code, said, _ = condense("export", digits, "--to", "parquet", "-o", "out", "--evaluate", *words)
    assert code == 0
    assert "Mean and standard deviation over 2 convnets, trained for 1 epoch" in said


def test_8_bit_images_of_a_learned_set_have_other_scores(condense, digits):
    condensed = CondensedSet.load(digits)
    generator = torch.Generator().manual_seed(0)
    images = condensed.images.inputs() + 4 * torch.randn((20, 1, 8, 8), generator=generator)
    learned = type(condensed.images).of(
        images, condensed.images.labels, condensed.images.class_names, preprocessing=condensed.preprocessing, flip_invariant=False
    )
    CondensedSet(learned, condensed.card).save("learned.safetensors")
    views = json.loads(condense("export", "learned.safetensors", "--to", "png", "--evaluate", "--json", "evaluation.recipe.epochs=20")[1])[
        "views"
    ]
    assert views["sets"]["8-bit"]["values"] != views["sets"]["float32"]["values"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--to gif", "'gif'"),
        ("", "Missing option '--to'."),
        ("--to npz --evaluate -o new", "--evaluate"),
        ("--to png evaluation.networks=2", "Add --evaluate"),
        ("--to png --data digits", "Add --evaluate"),
        ("--to png -o new --evaluate evaluation.networks=0", "evaluation.networks"),
        ("--to npz -o set.npz", "set.npz"),
        ("--to npz -o full", "full is not empty"),
        ("--to png -o full --evaluate", "full is not empty"),
    ],
)
def test_bad_exports_are_refused(refused, digits, tmp_path, arguments, text):
    Path("full").mkdir()
    Path("full/mine").touch()
    assert text in refused("export", digits, *arguments.split())
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["full", "full/mine"]


def test_a_missing_set_is_named(refused):
    assert "nowhere" in refused("export", "nowhere", "--to", "npz")


# -- condense import


def test_import_converts_an_official_file(condense):
    ((images, _),) = official("res_DM_CIFAR10_ConvNet_2ipc.pt")
    code, said, _ = condense("import", "res_DM_CIFAR10_ConvNet_2ipc.pt", "--data", "cifar10")
    assert code == 0
    assert "20 images of 3x32x32, 10 classes; set 0 of 1" in said
    assert "26.5 ± 0.5" in said
    assert torch.equal(CondensedSet.load("res_DM_CIFAR10_ConvNet_2ipc.safetensors").images.images, images)


def test_an_imported_set_can_be_shown_and_exported(condense):
    official("a.pt")
    assert condense("import", "a.pt", "--data", "cifar10", "-o", "set.safetensors")[0] == 0
    assert condense("show", "set.safetensors")[0] == 0
    assert condense("export", "set.safetensors", "--to", "npz", "-o", "out")[0] == 0
    assert "by another project (`a.pt`, set 0)" in Path("out/README.md").read_text(encoding="utf-8")


def test_which_selects_a_set(condense):
    data = official("a.pt", sets=2)
    card = json.loads(condense("import", "a.pt", "--data", "cifar10", "--which", 1, "--json")[1])
    assert (card["set"], card["official"]["which"]) == ("a.safetensors", 1)
    assert torch.equal(CondensedSet.load("a.safetensors").images.images, data[1][0])


def test_an_import_overwrites_nothing(refused):
    official("a.pt")
    Path("a.safetensors").write_text("mine")
    assert "a.safetensors exists already." in refused("import", "a.pt", "--data", "cifar10")
    assert Path("a.safetensors").read_text() == "mine"


def test_an_import_without_a_data_set_is_refused(refused):
    official("a.pt")
    assert "Missing option '--data'" in refused("import", "a.pt")


def test_a_mosaic_in_two_files_is_imported(condense):
    images, labels = normalized()
    torch.save(images, "images.pt")
    torch.save(labels, "labels.pt")
    code, said, _ = condense("import", "images.pt", "-d", "cifar10", "--labels", "labels.pt", "--form", "tiles=4", "--pixels", "normalized")
    assert code == 0
    assert "a network sees 320 images" in said
    read = CondensedSet.load("images.safetensors").images
    assert (read.form, read.seen) == (Tiles(4), 320)
    assert torch.equal(read.images, images)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("--form tiles=3", "padded"),
        ("--form tiles=1", "at least 2"),
        ("--form tiles=x", "'x'"),
        ("--form tles=2", "tiles"),
        ("--form tiles=", "factor"),
        ("--pixels unit", "--pixels unit"),
        ("--pixels bytes", "'bytes'"),
        ("--labels a.pt", "--labels"),
    ],
)
def test_bad_imports_are_refused(refused, options, text):
    official("a.pt")
    said = refused("import", "a.pt", "-d", "cifar10", *options.split())
    assert text in said
    assert "method." not in said
    assert not Path("a.safetensors").exists()


# -- condense show of several sets


def test_two_sets_in_one_picture(condense, digits):
    CondensedSet.load(digits).save("other.safetensors")
    code, said, _ = condense("show", digits, "other.safetensors", "-o", "a.png")
    assert code == 0
    assert "digits: digits, Random, 2 images per class" in said
    assert "other: digits, Random, 2 images per class" in said
    assert condense("show", digits, "-o", "one.png")[0] == 0
    with Image.open("a.png") as both, Image.open("one.png") as single:
        assert both.height > single.height


def test_two_sets_as_json(condense, digits):
    CondensedSet.load(digits).save("other.safetensors")
    content = json.loads(condense("show", digits, "other.safetensors", "-o", "a.png", "--json")[1])
    assert content["picture"] == "a.png"
    assert list(content["sets"]) == ["digits", "other"]


def test_sets_with_the_same_name_are_labelled_by_path(condense, digits):
    Path("digits").mkdir()
    CondensedSet.load(digits).save("digits/set.safetensors")
    content = json.loads(condense("show", digits, "digits/set.safetensors", "-o", "a.png", "--json")[1])
    assert list(content["sets"]) == [str(digits), "digits/set.safetensors"]


def test_the_picture_of_a_run_is_not_replaced_by_one_of_two_sets(condense, digits):
    before = (digits / "grid.png").read_bytes()
    CondensedSet.load(digits).save("other.safetensors")
    assert condense("show", digits, "other.safetensors")[0] == 0
    assert (digits / "grid.png").read_bytes() == before
    assert (digits / "show.png").exists()


def test_unlike_sets_are_not_drawn_together(refused, digits):
    official("a.pt")
    CondensedSet.from_official("a.pt", data="cifar10").save("a.safetensors")
    assert "digits and a" in refused("show", digits, "a.safetensors")
