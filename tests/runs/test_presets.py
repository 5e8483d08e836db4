"""Presets are settings like any other."""

from __future__ import annotations

import json

import pytest

from condensation import DC, DM, GMMN, PRESETS, BestOf, CondensationError, ConvNet, Recipe, preset
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.runs.presets import preset_for


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("ipc", [1, 7, 10, 50, 500])
def test_every_preset_fits_every_ipc_and_survives_a_file(name: str, ipc: int) -> None:
    settings = preset(name, ipc)
    assert settings.ipc == ipc
    assert from_dict(type(settings), json.loads(json.dumps(to_dict(settings)))) == settings


def test_the_paper_is_the_paper() -> None:
    method = preset("paper", 10).method
    assert method == DM()
    assert preset("paper", 51).method == DM(lr=10.0)
    assert preset("paper").evaluation.recipe == Recipe.paper()
    assert preset("paper").evaluation.networks == 20


def test_what_is_learned_fast_is_judged_by_the_usual_network() -> None:
    assert preset("fast").evaluation.network == ConvNet()


@pytest.mark.parametrize(("ipc", "counted"), [(50, 50), ({"a": 1, "b": 50}, 50), ("much", 10), (None, 10), ({}, 10), (-3, 10)])
def test_settings_from_anywhere_find_their_preset(ipc: object, counted: int) -> None:
    assert preset_for("fast", {"ipc": ipc, "data": {"source": "cifar10"}}).method == DM.fast(counted)


@pytest.mark.parametrize(("name", "method"), [("fast", GMMN.fast()), ("long", GMMN.long()), ("best", GMMN.long()), ("paper", GMMN.paper())])
@pytest.mark.parametrize("content", ["gmmn", {"name": "gmmn"}])
def test_a_method_that_trains_a_generator_has_presets_of_its_own(name: str, method: GMMN, content: object) -> None:
    assert preset_for(name, {"method": content}).method == method


def test_other_methods_keep_their_settings() -> None:
    assert from_dict(type(preset("paper")), {"method": "dc"}, preset_for("paper", {"method": "dc"})).method == DC()


def test_a_preset_is_changed_by_what_is_said_beside_it() -> None:
    content = {"method": {"name": "dm", "steps": 7}, "ipc": 1}
    assert from_dict(type(preset("fast")), content, preset_for("fast", content)).method.steps == 7
    method = from_dict(type(preset("fast")), content, preset_for("fast", content)).method
    assert isinstance(method, DM)
    assert method.batch_per_class == DM.fast(1).batch_per_class


@pytest.mark.parametrize("name", ["fast", "paper"])
def test_the_best_of_several_is_of_what_the_preset_makes(name: str) -> None:
    content = {"method": {"name": "best-of", "sets": 3}, "ipc": 1}
    method = from_dict(type(preset(name)), content, preset_for(name, content)).method
    assert method == BestOf(preset(name, 1, channels=1).method, sets=3)


def test_the_preset_for_the_best_of_several_leaves_other_methods_alone() -> None:
    of_colour = {"ipc": 1, "data": {"source": "cifar10"}}
    assert preset_for("best", of_colour).method == BestOf.hour(1)
    assert preset_for("best", {**of_colour, "method": "dm"}).method == DM.fast(1)
    assert BestOf.hour(50).mixtures < BestOf.hour(10).mixtures


def test_larger_sets_get_fewer_steps() -> None:
    content = {"ipc": 10, "data": {"source": "cifar100"}}
    hundred = preset_for("fast", content).method
    assert hundred == DM.fast(10, 100) == preset("fast", 10, 100).method
    assert hundred.steps < DM.fast(10).steps
    assert DM.fast(500, 1000).steps == 300


@pytest.mark.parametrize(("ipc", "lr", "real"), [(1, 0.1**0.5, 16), (10, 1.0, 16), (50, 5.0, 50)])
def test_more_synthetic_images_get_larger_steps_and_as_many_real_ones(ipc: int, lr: float, real: int) -> None:
    for method in (DM.fast(ipc), DM.long(ipc)):
        assert method.lr == pytest.approx(lr)
        assert method.batch_per_class == real


@pytest.mark.parametrize("data", [{}, {"data": {"source": "mnist"}}, {"data": {"source": "fashion-mnist", "classes": ["Bag", "Coat"]}}])
@pytest.mark.parametrize("name", ["fast", "long", "best"])
def test_grey_images_get_larger_steps(name: str, data: dict[str, object]) -> None:
    grey = preset_for(name, {"ipc": 10, **data}).method
    coloured = preset(name, 10).method
    (mine, theirs) = (method.of if isinstance(method, BestOf) else method for method in (grey, coloured))
    assert isinstance(mine, DM)
    assert isinstance(theirs, DM)
    assert mine.lr == 4 * theirs.lr


def test_images_of_which_nothing_is_known_count_as_coloured() -> None:
    assert preset_for("fast", {"ipc": 10, "data": {"source": "path/to/images"}}).method == DM.fast(10)


@pytest.mark.parametrize("classes", [["a", "b"], ("a", "b"), "a,b"])
def test_of_data_cut_to_some_classes_these_count(classes: object) -> None:
    assert preset_for("fast", {"ipc": 50, "data": {"source": "cifar100", "classes": classes}}).method == DM.fast(50, 2)


def test_own_images_have_no_published_constants() -> None:
    assert preset_for("paper", {"data": {"source": "cifar10"}}).data.preprocessing == "published"
    assert preset_for("paper", {}).data.preprocessing == "published"  # of what is condensed if nothing is said
    assert preset_for("paper", {"data": {"source": "digits"}}).data.preprocessing == "standardize"
    assert preset_for("paper", {"data": {"source": "path/to/images"}}).data.preprocessing == "standardize"


@pytest.mark.parametrize("numbers", [(0, 10), (-1, 10), (1, 0)])
def test_impossible_sizes_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(CondensationError, match="at least one of both"):
        preset("fast", *numbers)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(CondensationError, match="Did you mean 'fast'"):
        preset("fats")
