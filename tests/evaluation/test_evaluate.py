"""Evaluation of sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from condensation import Compute, CondensationError, ConvNet, Data, EvaluationSettings, ImageSet, Recipe, Rng, Standardize, evaluate
from condensation.evaluation.evaluate import evaluate_on_each
from condensation.training.epoch_window import EpochWindow
from tests.small import CPU, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
RECIPE = Recipe(epochs=3)


def accuracies(sets: ImageSet | list[ImageSet], test: ImageSet | None = None, **settings: object):  # type: ignore[no-untyped-def]
    choice = {"network": ConvNet(width=4), "recipe": RECIPE, "networks": 2, "compute": COMPUTE, **settings}
    return evaluate(sets, test or images([5, 9, 4], seed=7), **choice)  # type: ignore[arg-type]


def test_every_network_of_every_set_is_counted() -> None:
    result = accuracies([images(), images(seed=1)], networks=3)
    assert result.values.shape == (2, 3)
    assert result.per_class.shape == (2, 3, 3)
    assert result.count == 6
    assert str(result).endswith("(2 sets x 3 networks)")


def test_networks_trained_once_are_tested_on_several_sets_as_on_each_alone() -> None:
    tests = [images([5, 9, 4], seed=7), images(seed=8).select([0, 2])]
    choice = {"network": ConvNet(width=4), "recipe": RECIPE, "networks": 2, "compute": COMPUTE}
    both = evaluate_on_each(images(), tests, **choice)  # type: ignore[arg-type]
    for test, result in zip(tests, both, strict=True):
        assert np.array_equal(result.per_class, accuracies(images(), test).per_class)
    assert both[1].class_names == ("0", "2")


def test_several_test_sets_take_no_more_training(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("condensation.training.train_and_test.train_together", lambda *arguments: calls.append(1))
    for count in (1, 3):
        evaluate_on_each(images(), [images()] * count, networks=1, network=ConvNet(width=4), recipe=RECIPE, compute=COMPUTE)
    assert len(calls) == 2


def test_accuracy_is_over_images_not_over_classes() -> None:
    result = accuracies(images())
    np.testing.assert_allclose(result.values, (result.per_class @ np.array([5, 9, 4])) / 18)


def test_the_deviation_is_that_of_the_population_of_all_networks() -> None:
    result = accuracies([images(), images(seed=1)])
    assert result.deviation == pytest.approx(np.std(result.values))
    assert result.deviation_between_sets == pytest.approx(np.std(result.values.mean(1)))


def test_one_number_has_no_deviation() -> None:
    one, two = accuracies(images(), networks=1), accuracies(images(), networks=2)
    assert str(one) == f"{one.mean:.1f} (1 set x 1 network)"
    assert str(two) == f"{two.mean:.1f} ± {two.deviation:.1f} (1 set x 2 networks)"
    assert one.summary()["deviation"] == 0.0


def test_a_network_depends_on_the_seed_and_its_position_only() -> None:
    alone, beside = accuracies(images(), networks=1), accuracies([images(), images(seed=1)], networks=3)
    assert alone.values[0, 0] == beside.values[0, 0]
    assert np.array_equal(accuracies(images()).per_class, accuracies(images()).per_class)
    assert not np.array_equal(accuracies(images(), seed=1).per_class, accuracies(images()).per_class)


def test_raw_images_and_condensed_ones_are_evaluated_alike() -> None:
    raw = images(10)
    ready = replace(raw, images=raw.inputs())
    assert np.array_equal(accuracies(raw).per_class, accuracies(ready).per_class)


def test_accuracy_is_high_after_enough_epochs() -> None:
    assert accuracies(images(40), recipe=Recipe(epochs=40, augmentation=None)).mean > 80


def test_a_set_with_fewer_classes_is_tested_on_all_of_them() -> None:
    result = accuracies(images().select([0, 2]), recipe=Recipe(epochs=20, augmentation=None))
    assert result.class_means["1"] < 50


def test_progress_runs_over_all_networks() -> None:
    seen: list[tuple[int, int]] = []
    accuracies([images(), images(seed=1)], on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(1, 13)]


OTHERS = {
    "1x16x16": images(shape=(1, 16, 16)),
    "4 classes": images(classes=4),
    "preprocessing": replace(images(), preprocessing=Standardize(images().inputs()[0, :, 0, 0], images().inputs()[0, :, 0, 1])),
}


@pytest.mark.parametrize("word", OTHERS)
def test_sets_must_fit_the_test_images(word: str) -> None:
    with pytest.raises(CondensationError, match=word):
        accuracies(OTHERS[word])


def test_there_must_be_a_network_and_a_set() -> None:
    for sets, networks in ((images(), 0), ([], 2)):
        with pytest.raises(CondensationError) as caught:
            accuracies(sets, networks=networks)
        assert caught.value.setting == "networks"


SET = images()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"sets": Data(SET, SET, "name")}, "data.train"),
        ({"test": Data(SET, SET, "name")}, "data.train"),
        ({"network": "lenet"}, "NETWORKS['lenet']"),
        ({"network": ConvNet}, "ConvNet()"),
        ({"network": torch.nn.Linear}, "UserModule"),
        ({"recipe": "paper"}, "Recipe.paper()"),
        ({"recipe": Recipe}, "Recipe()"),
    ],
)
def test_names_and_classes_in_place_of_objects_are_refused(arguments: dict[str, Any], hint: str) -> None:
    with pytest.raises(CondensationError) as caught:
        evaluate(**{"sets": SET, "test": SET, **arguments})
    assert hint in caught.value.hint
    if "network" in arguments or "recipe" in arguments:
        with pytest.raises(CondensationError) as caught:
            EvaluationSettings(**arguments)
        assert caught.value.setting == f"evaluation.{next(iter(arguments))}"


def test_an_epoch_may_have_some_of_the_images() -> None:
    real = images(per_class=4)
    window = Recipe(epoch_images=4).set_for(real, Rng(0))
    assert isinstance(window, EpochWindow)
    seen = torch.cat([window.for_epoch(epoch).images for epoch in range(3)])  # each image once
    assert sorted(seen.flatten(1).sum(1).tolist()) == sorted(real.images.flatten(1).sum(1).tolist())
    whole, unlimited, limited = (accuracies(real, recipe=Recipe(epochs=3, epoch_images=most)).per_class for most in (None, 12, 4))
    assert np.array_equal(whole, unlimited)
    assert limited.shape == whole.shape
