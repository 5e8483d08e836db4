import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from condensation import CondensedSet, EvaluationSettings, ImageSet, Recipe
from condensation.core.plain import to_dict
from condensation.data.dataset import ReadOptions
from condensation.data.decode.decode import decode_file
from tests.artifacts.export.sets import PAIRS, PICTURES, SETS, seen

SCORES = {
    "sets": {"dm": {"images": 6, "mean": 49.12, "deviation": 0.44}, "random": {"images": 6, "mean": 33.3, "deviation": 1.2}},
    "test": {"name": "mine", "images": 10_000},
    "evaluation": to_dict(EvaluationSettings(networks=5)),
}


def card(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def blocks(folder):
    """The Python on the card: reading the set, preprocessing test images, training."""
    return re.findall(r"^```python\n(.*?)^```", card(folder), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_the_lines_of_the_card_give_what_a_network_sees(tmp_path, monkeypatch, name, to):
    monkeypatch.chdir(SETS[name].export(tmp_path / "out", to))
    names = {}
    exec(blocks(tmp_path / "out")[0], names)
    images, labels = names["dataset"].tensors
    assert torch.equal(images, seen(SETS[name], to))
    assert torch.equal(labels, SETS[name].images.labels)


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_the_lines_of_the_card_preprocess_test_images(tmp_path, monkeypatch, name, to):
    monkeypatch.chdir(SETS[name].export(tmp_path / "out", to))
    pictures = PICTURES[20:, : SETS[name].images.shape[0]]
    names = {"pictures": pictures}
    for block in blocks(tmp_path / "out")[:2]:
        exec(block, names)
    torch.testing.assert_close(names["test_images"], SETS[name].preprocessing(pictures), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("name", ["colour", "grey"])
def test_the_lines_of_the_card_resize_test_images(tmp_path, monkeypatch, name, fit):
    made = {"settings": {"data": {"size": "4x6", "fit": fit}}}
    monkeypatch.chdir(replace(SETS[name], card=made).export(tmp_path / "out", "png"))
    mode = {"colour": "RGB", "grey": "L"}[name]
    pixels = np.random.default_rng(0).integers(0, 256, (90, 40, 3), dtype=np.uint8)
    paths = [tmp_path / "tall.png", tmp_path / "large.jpg", tmp_path / "as it is.png"]
    for path, shape in zip(paths, [(9, 5), (90, 40), (4, 6)], strict=True):
        Image.fromarray(pixels[: shape[0], : shape[1]]).convert(mode).save(path)
    names = {"paths": paths}
    for block in (blocks(tmp_path / "out")[0], *blocks(tmp_path / "out")[1:3]):
        exec(block, names)
    expected = np.stack([decode_file(path, ReadOptions("4x6", fit)).pixels for path in paths])
    assert torch.equal(names["pictures"], torch.tensor(expected) / 255)
    torch.testing.assert_close(names["test_images"], SETS[name].preprocessing(names["pictures"]))


def test_how_images_became_their_size_is_said_where_they_were_resized(tmp_path):
    pad, as_they_were = ({"settings": {"data": {"size": size, "fit": "pad"}}} for size in (4, None))
    said = card(replace(SETS["colour"], card=pad).export(tmp_path / "pad", "npz"))
    assert "resized to 4 x 6 (height x width): each was scaled until all of it fitted" in said
    assert "resized" not in card(replace(SETS["colour"], card=as_they_were).export(tmp_path / "as they were", "npz"))


@pytest.mark.parametrize("to", ["png", "npz"])
def test_the_lines_of_the_card_train(tmp_path, monkeypatch, to):
    settings = {"evaluation": to_dict(EvaluationSettings(recipe=Recipe(epochs=30, lr=0.05)))}
    monkeypatch.chdir(replace(SETS["colour"], card={"settings": settings}).export(tmp_path / "out", to))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        names = {"network": nn.Sequential(nn.Flatten(), nn.Linear(72, 3))}
        reading, _, training = blocks(tmp_path / "out")
        exec(reading, names)
        exec(training, names)
    images, labels = names["dataset"].tensors
    assert (names["network"](images).argmax(1) == labels).all()


def test_the_lines_import_nothing_of_the_package(tmp_path):
    for name, to in PAIRS:
        assert not any("condensation" in block for block in blocks(SETS[name].export(tmp_path / name / to, to)))


def test_the_recipe_is_that_of_the_card(tmp_path):
    settings = {"evaluation": to_dict(EvaluationSettings(recipe=Recipe(epochs=300, lr=0.02, batch=64, momentum=0.8, weight_decay=1e-3)))}
    training = blocks(replace(SETS["colour"], card={"settings": settings}).export(tmp_path / "out", "npz"))[2]
    for text in ("lr=0.02, momentum=0.8, weight_decay=0.001", "[150], gamma=0.1", "range(300)", "batch_size=64"):
        assert text in training


def test_the_recipe_of_a_set_without_settings_is_the_usual_one(tmp_path):
    assert "range(1000)" in blocks(SETS["colour"].export(tmp_path / "out", "npz"))[2]


def test_the_augmentation_is_named(tmp_path):
    said = card(SETS["colour"].export(tmp_path / "out", "npz"))
    assert "DSA (color, crop, cutout, flip, scale, rotate)" in said
    assert "expect less without it" in said


def test_no_augmentation_is_said(tmp_path):
    settings = {"evaluation": to_dict(EvaluationSettings(recipe=Recipe(augmentation=None)))}
    assert "Nothing is augmented" in card(replace(SETS["colour"], card={"settings": settings}).export(tmp_path / "out", "npz"))


def test_images_that_must_not_be_mirrored_are_said_to_be_so(tmp_path):
    digits = replace(SETS["colour"], images=replace(SETS["colour"].images, flip_invariant=False))
    assert "don't flip" in card(digits.export(tmp_path / "digits", "npz"))
    assert "don't flip" not in card(SETS["colour"].export(tmp_path / "clothes", "npz"))


def test_scores_are_on_the_card(tmp_path):
    said = card(SETS["colour"].with_scores(SCORES).export(tmp_path / "out", "npz"))
    assert "| dm | 6 | 49.1 ± 0.4 |" in said
    assert "On the 10,000 test images of mine: mean and deviation over 5 convnets" in said


def test_one_network_has_no_deviation(tmp_path):
    one = {"images": 6, "mean": 49.12, "deviation": 0.0, "count": 1}
    scores = {**SCORES, "sets": {"dm": one}, "evaluation": to_dict(EvaluationSettings(networks=1, recipe=Recipe(epochs=1)))}
    said = card(SETS["colour"].with_scores(scores).export(tmp_path / "out", "npz"))
    assert "| dm | 6 | 49.1 |" in said
    assert "of mine: one convnet newly drawn, after 1 epoch." in said
    assert "deviation" not in said


def test_a_set_that_was_not_judged_says_so(tmp_path):
    assert "It was not measured." in card(SETS["colour"].export(tmp_path / "out", "npz"))


@pytest.mark.parametrize("to", ["png", "parquet", "hub"])
def test_pictures_say_what_they_are(tmp_path, to):
    said = card(SETS["colour"].export(tmp_path / "out", to))
    assert "an 8-bit view of " in said
    assert "What accuracy that costs was not measured" in said


@pytest.mark.parametrize("to", ["npz", "torch"])
def test_what_is_exact_says_so(tmp_path, to):
    said = card(SETS["colour"].export(tmp_path / "out", to))
    assert "float32, to the last bit" in said
    assert "8-bit" not in said


def test_what_pictures_were_measured_to_keep_is_on_the_card(tmp_path):
    views = {**SCORES, "sets": {"float32": SCORES["sets"]["dm"], "8-bit": {"images": 6, "mean": 48.0, "deviation": 0.5}}}
    said = card(replace(SETS["colour"], card={"views": views}).export(tmp_path / "out", "png"))
    assert "| 8-bit | 6 | 48.0 ± 0.5 |" in said
    assert "not measured;" not in said


def test_pictures_of_real_pixels_say_that_nothing_is_lost(tmp_path):
    assert "Nothing is lost" in card(SETS["pixels"].export(tmp_path / "out", "png"))


def test_pictures_of_a_whitened_set_are_for_looking_at(tmp_path):
    assert "for looking at alone" in card(SETS["zca"].export(tmp_path / "out", "hub"))


def test_terms_of_known_data_are_on_the_card(tmp_path):
    known = replace(SETS["colour"], card={"data": {"name": "svhn"}})
    assert "non-commercial use only" in card(known.export(tmp_path / "out", "npz"))


def test_a_name_may_hold_what_separates_columns(tmp_path):
    assert "| 2 | 猫 \\| dog |" in card(SETS["colour"].export(tmp_path / "out", "npz"))


def test_a_set_with_an_empty_card_can_be_exported(tmp_path):
    bare = CondensedSet(ImageSet.of(torch.randn(2, 1, 4, 4), torch.arange(2)))
    assert card(bare.export(tmp_path / "out", "png")).startswith("# Images, condensed: 2 images")
