"""``condense evaluate``."""

import json
import sys
from pathlib import Path

import pytest

from condensation import CondensedSet, ImageSet
from tests.cli.runs import colour_data

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.usefixtures("elsewhere")


EVALUATION = ("evaluation.networks=1", "evaluation.network.width=8", "evaluation.recipe.epochs=2")


def test_evaluate_a_set(condense, finished):
    code, said, progress = condense("evaluate", finished, *EVALUATION, "--json")
    assert (code, progress) == (0, "")
    assert json.loads(said)["sets"][str(finished)]["images"] == 10


def test_evaluate_repeats_the_scores_of_the_run(condense, finished):
    found = json.loads((finished / "scores.json").read_text())["sets"]["dm"]["values"]
    again = json.loads(condense("evaluate", finished, *EVALUATION, "compute.precision=float32", "--json")[1])
    assert again["sets"][str(finished)]["values"] == found


def test_random_images_are_evaluated_with_and_without_augmentation(condense):
    found = json.loads(condense("evaluate", "-d", "digits", "--random", 2, *EVALUATION, "--json")[1])["sets"]
    assert set(found) == {"random", "random, no augmentation"}
    assert {score["images"] for score in found.values()} == {20}
    assert found["random, no augmentation"]["recipe"]["augmentation"] is None


def test_the_whole_training_set_can_be_evaluated(condense, tmp_path):
    colour_data(tmp_path / "mine")
    code, said, _ = condense("evaluate", "-d", "./mine", "--whole", *EVALUATION, "-q")
    assert code == 0
    assert "whole" in said
    assert "One convnet, trained for 2 epochs, on " in said
    assert "±" not in said
    assert "deviation" not in said


def test_several_sets_are_evaluated_alike(condense, finished):
    second = finished.parent / "second.safetensors"
    second.write_bytes((finished / "set.safetensors").read_bytes())
    found = json.loads(condense("evaluate", finished, second, *EVALUATION, "--json")[1])["sets"]
    assert list(found) == [str(finished), str(second)]
    assert found[str(finished)]["values"] == found[str(second)]["values"]


def test_a_set_may_have_an_equals_sign_in_its_name(condense, finished):
    Path("lr=1.safetensors").write_bytes((finished / "set.safetensors").read_bytes())
    assert json.loads(condense("evaluate", "lr=1.safetensors", *EVALUATION, "--json")[1])["sets"].keys() == {"lr=1.safetensors"}


def test_evaluate_prints_its_settings(condense):
    assert "random = 5\n" in condense("evaluate", "--random", 5, "--print-config")[1]


def test_the_settings_of_a_run_configure_evaluate(condense, finished, tmp_path):
    code, said, _ = condense("evaluate", finished, "--config", finished / "settings.json", "--print-config")
    settings, run = tomllib.loads(said), json.loads((finished / "settings.json").read_text())["settings"]
    assert code == 0
    for name in ("seed", "small_classes"):
        assert settings[name] == run[name]
    assert settings["evaluation"]["recipe"]["epochs"] == run["evaluation"]["recipe"]["epochs"]
    assert settings["data"]["source"] == run["data"]["source"]
    assert condense("evaluate", finished, "--config", finished / "settings.json", "-q")[0] == 0


def test_an_unknown_setting_in_a_config_is_refused(refused, finished):
    Path("s.toml").write_text("randm = 3\n")
    assert "'randm'. Did you mean 'random'?" in refused("evaluate", finished, "--config", "s.toml")
    assert "'method'" in refused("evaluate", finished, "method=dm")


def test_the_folder_can_be_given_without_the_data(condense, finished):
    settings = tomllib.loads(condense("evaluate", finished, "--folder", "elsewhere", "--print-config")[1])
    assert settings["data"]["source"] == "digits"
    assert settings["data"]["folder"] == "elsewhere"


def test_a_size_does_not_replace_missing_data(refused, finished):
    CondensedSet(CondensedSet.load(finished).images).save("bare.safetensors")
    assert "--data" in refused("evaluate", "bare.safetensors", "--size", 8)


def test_data_of_another_shape_are_refused_before_any_work(refused, finished):
    said = refused("evaluate", finished, "-d", "fashion-mini", "evaluation.networks=1000")
    assert "1x8x8" in said
    assert "1x28x28" in said


def test_a_set_of_other_classes_is_refused(refused, finished):
    made = CondensedSet.load(finished)
    images = ImageSet.of(made.images.images, made.images.labels, [f"n{c}" for c in range(10)], preprocessing=made.preprocessing)
    CondensedSet(images).save("other.safetensors")
    assert "n0" in refused("evaluate", "other.safetensors", "-d", "digits", "evaluation.networks=1000")


def test_a_set_without_data_on_its_card_asks_for_them(refused, finished):
    CondensedSet(CondensedSet.load(finished).images).save("bare.safetensors")
    assert "--data" in refused("evaluate", "bare.safetensors")


def test_a_dry_run_says_what_would_be_trained(condense, finished):
    small = ("evaluation.network.width=4", "evaluation.recipe.epochs=3", "evaluation.networks=2")
    code, said, _ = condense("evaluate", finished, "--random", 1, "--dry-run", *small)
    assert (code, "2 networks on random images" in said, "memory" in said) == (0, True, True)
    plan = json.loads(condense("evaluate", finished, "--dry-run", "--json", *small)[1])
    assert [part["text"] for part in plan["parts"]] == [f"2 networks on {finished}"]
    assert plan["seconds"] > 0


def test_a_dry_run_of_kernel_regression_counts_the_images(condense, finished):
    plan = json.loads(condense("ridge", finished, "--random", 2, "--dry-run", "--json")[1])
    assert [part["text"] for part in plan["parts"]] == ["kernel fc of 10 and 20 images and 359 test images"]
    assert plan["seconds"] > 0
