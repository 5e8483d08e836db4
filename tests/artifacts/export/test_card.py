import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from condensation import CondensationError, CondensedSet, EvaluationSettings, ImageSet, Recipe
from condensation.core.plain import to_dict
from condensation.data.dataset import ReadOptions
from condensation.data.decode.decode import decode_file
from tests.artifacts.export.sets import PAIRS, PICTURES, SETS, seen

EVALUATION = to_dict(EvaluationSettings(networks=5))


def score(mean, deviation, count=5):
    return {"images": 6, "mean": mean, "deviation": deviation, "count": count, "per_class": {}}


def scores(evaluation=EVALUATION, **sets):
    """Return scores as `Scores.to_json` writes them."""
    about = {"seed": 0, "evaluation": evaluation, "compute": {}, "machine": {}}
    return {"sets": sets, "test": {"name": "mine", "images": 10_000}, **about}


def card(folder):
    """Return the page of an export."""
    return (folder / "README.md").read_text(encoding="utf-8")


def blocks(folder):
    """Return the Python blocks of the page: loading the set, preprocessing test images, training."""
    return re.findall(r"^```python\n(.*?)^```", card(folder), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_the_code_of_the_page_gives_the_network_inputs(tmp_path, monkeypatch, name, to):
    monkeypatch.chdir(SETS[name].export(tmp_path / "out", to))
    names = {}
    exec(blocks(tmp_path / "out")[0], names)
    images, labels = names["dataset"].tensors
    assert torch.equal(images, seen(SETS[name], to))
    assert torch.equal(labels, SETS[name].images.decoded().labels)


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_the_code_of_the_page_preprocesses_test_images(tmp_path, monkeypatch, name, to):
    monkeypatch.chdir(SETS[name].export(tmp_path / "out", to))
    pictures = PICTURES[20:, : SETS[name].images.shape[0]]
    names = {"pictures": pictures}
    for block in blocks(tmp_path / "out")[:2]:
        exec(block, names)
    torch.testing.assert_close(names["test_images"], SETS[name].preprocessing(pictures), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("name", ["colour", "grey"])
def test_the_code_of_the_page_resizes_test_images(tmp_path, monkeypatch, name, fit):
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


def test_resizing_is_on_the_page_if_the_images_were_resized(tmp_path):
    pad, as_they_were = ({"settings": {"data": {"size": size, "fit": "pad"}}} for size in (4, None))
    text = card(replace(SETS["colour"], card=pad).export(tmp_path / "pad", "npz"))
    assert "resized to 4 x 6 (height x width): scaled to fit" in text
    assert "resized" not in card(replace(SETS["colour"], card=as_they_were).export(tmp_path / "as they were", "npz"))


@pytest.mark.parametrize("to", ["png", "npz"])
def test_the_code_of_the_page_trains(tmp_path, monkeypatch, to):
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


def test_the_code_of_the_page_does_not_import_the_package(tmp_path):
    for name, to in PAIRS:
        assert not any("condensation" in block for block in blocks(SETS[name].export(tmp_path / name / to, to)))


def test_the_recipe_on_the_page_is_that_of_the_card(tmp_path):
    settings = {"evaluation": to_dict(EvaluationSettings(recipe=Recipe(epochs=300, lr=0.02, batch=64, momentum=0.8, weight_decay=1e-3)))}
    training = blocks(replace(SETS["colour"], card={"settings": settings}).export(tmp_path / "out", "npz"))[2]
    for text in ("lr=0.02, momentum=0.8, weight_decay=0.001", "[150], gamma=0.1", "range(300)", "batch_size=64"):
        assert text in training


def test_a_set_without_settings_gets_the_default_recipe(tmp_path):
    assert "range(1000)" in blocks(SETS["colour"].export(tmp_path / "out", "npz"))[2]


def test_the_augmentation_is_on_the_page(tmp_path):
    text = card(SETS["colour"].export(tmp_path / "out", "npz"))
    assert "DSA augmentation (color, crop, cutout, flip, scale, rotate)" in text


def test_a_recipe_without_augmentation_is_on_the_page(tmp_path):
    settings = {"evaluation": to_dict(EvaluationSettings(recipe=Recipe(augmentation=None)))}
    assert "Without augmentation." in card(replace(SETS["colour"], card={"settings": settings}).export(tmp_path / "out", "npz"))


def test_the_page_warns_of_flips_that_change_labels(tmp_path):
    digits = replace(SETS["colour"], images=replace(SETS["colour"].images, flip_invariant=False))
    assert "Do not flip" in card(digits.export(tmp_path / "digits", "npz"))
    assert "Do not flip" not in card(SETS["colour"].export(tmp_path / "clothes", "npz"))


def test_scores_are_on_the_page(tmp_path):
    text = card(SETS["colour"].with_scores(scores(dm=score(49.12, 0.44), random=score(33.3, 1.2))).export(tmp_path / "out", "npz"))
    assert "| dm | 6 | 49.1 ± 0.4 |" in text
    assert "On the 10,000 test images of mine: mean and standard deviation over 5 convnets" in text


def test_one_network_has_no_deviation(tmp_path):
    single = scores(to_dict(EvaluationSettings(networks=1, recipe=Recipe(epochs=1))), dm=score(49.12, 0.0, count=1))
    text = card(SETS["colour"].with_scores(single).export(tmp_path / "out", "npz"))
    assert "| dm | 6 | 49.1 |" in text
    assert "of mine: one convnet, trained for 1 epoch." in text
    assert "deviation" not in text


def test_a_set_without_scores_is_not_measured(tmp_path):
    assert "Not measured." in card(SETS["colour"].export(tmp_path / "out", "npz"))


@pytest.mark.parametrize("to", ["png", "parquet", "hub"])
def test_the_page_describes_8_bit_images(tmp_path, to):
    text = card(SETS["colour"].export(tmp_path / "out", to))
    assert "an 8-bit view of " in text
    assert "The effect on accuracy was not measured" in text


@pytest.mark.parametrize("to", ["npz", "torch"])
def test_the_page_describes_exact_values(tmp_path, to):
    text = card(SETS["colour"].export(tmp_path / "out", to))
    assert "stored exactly, as normalized float32 values" in text
    assert "8-bit" not in text


def test_the_accuracy_of_8_bit_images_is_on_the_page(tmp_path):
    views = scores(**{"float32": score(49.12, 0.44), "8-bit": score(48.0, 0.5)})
    text = card(replace(SETS["colour"], card={"views": views}).export(tmp_path / "out", "png"))
    assert "| 8-bit | 6 | 48.0 ± 0.5 |" in text
    assert "was not measured" not in text


def test_real_8_bit_images_lose_nothing(tmp_path):
    assert "Nothing is lost" in card(SETS["pixels"].export(tmp_path / "out", "png"))


def test_8_bit_images_of_a_whitened_set_are_for_viewing_only(tmp_path):
    assert "For viewing only" in card(SETS["zca"].export(tmp_path / "out", "hub"))


def test_terms_of_catalogued_data_are_on_the_page(tmp_path):
    known = replace(SETS["colour"], card={"data": {"name": "svhn"}})
    assert "non-commercial use only" in card(known.export(tmp_path / "out", "npz"))


def test_a_class_name_with_a_pipe_is_escaped(tmp_path):
    assert "| 2 | 猫 \\| dog |" in card(SETS["colour"].export(tmp_path / "out", "npz"))


def test_a_set_with_an_empty_card_can_be_exported(tmp_path):
    bare = CondensedSet(ImageSet.of(torch.randn(2, 1, 4, 4), torch.arange(2)))
    assert card(bare.export(tmp_path / "out", "png")).startswith("# Images, condensed: 2 images")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"data": {"name": 3}}, "data.name"),
        ({"settings": {"data": {"size": 4, "fit": "stretch"}}}, "settings.data.fit"),
        ({"settings": {"method": "dm"}}, "settings.method"),
        ({"official": {"file": "a.pt"}}, "official.which"),
    ],
)
def test_a_damaged_card_is_named_in_one_line(tmp_path, content, field):
    with pytest.raises(CondensationError, match=field.replace(".", r"\.")) as error:
        replace(SETS["colour"], card=content).export(tmp_path / "out", "npz")
    assert "\n" not in error.value.message
    assert not list(tmp_path.iterdir())


def test_scores_of_the_user_are_listed(tmp_path):
    assert "- top-1: 64.5" in card(SETS["colour"].with_scores({"top-1": 64.5}).export(tmp_path / "out", "npz"))


@pytest.mark.parametrize("steps", ["many", [1], None, 2.5])
def test_steps_that_are_no_number_are_left_out(tmp_path, steps):
    settings = {"method": {"name": "dm", "steps": steps}}
    made = replace(SETS["colour"], card={**SETS["colour"].card, "settings": settings})
    assert "with the method `dm`; written" in card(made.export(tmp_path / "out", "npz"))
