"""Presets are settings like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from condensation import DC, DM, GMMN, PRESETS, BestOf, CondensationError, ConvNet, Recipe, Tiles, preset
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.data.settings import DataSettings
from condensation.networks.registry import NETWORKS
from condensation.runs.presets import preset_for, settings_from
from condensation.runs.settings import RunSettings


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


def test_the_fast_preset_evaluates_with_a_convnet() -> None:
    assert preset("fast").evaluation.network == ConvNet()


@pytest.mark.parametrize(("ipc", "counted"), [(50, 50), ({"a": 1, "b": 50}, 50), ("much", 10), (None, 10), ({}, 10), (-3, 10)])
def test_settings_from_anywhere_find_their_preset(ipc: object, counted: int) -> None:
    assert preset_for("fast", {"ipc": ipc, "data": {"source": "cifar10"}}).method == DM.fast(counted)


@pytest.mark.parametrize(
    ("name", "method"),
    [("fast", GMMN.fast()), ("classic", GMMN.fast()), ("long", GMMN.long()), ("best", GMMN.long()), ("paper", GMMN.paper())],
)
@pytest.mark.parametrize("content", ["gmmn", {"name": "gmmn"}])
def test_a_method_that_trains_a_generator_has_presets_of_its_own(name: str, method: GMMN, content: object) -> None:
    assert preset_for(name, {"method": content}).method == method


def test_other_methods_keep_their_settings() -> None:
    assert from_dict(type(preset("paper")), {"method": "dc"}, preset_for("paper", {"method": "dc"})).method == DC()


def test_settings_change_a_preset() -> None:
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
    assert preset_for("best", {**of_colour, "method": "best-of"}).method == BestOf.hour(1)
    assert preset_for("best", {**of_colour, "method": "dm"}).method == DM.best(1) == preset("best", 1).method
    assert BestOf.hour(50).mixtures < BestOf.hour(10).mixtures


def test_larger_sets_get_fewer_steps() -> None:
    content = {"ipc": 10, "data": {"source": "cifar100"}}
    hundred = preset_for("fast", content).method
    assert hundred == DM.fast(10, 100) == preset("fast", 10, 100).method
    assert hundred.steps < DM.fast(50, 10).steps < DM.fast(10).steps
    assert DM.classic(10, 100).steps < DM.classic(10).steps
    assert DM.fast(500, 1000).steps == DM.classic(500, 1000).steps == 300


@pytest.mark.parametrize(("ipc", "lr", "real"), [(1, 0.1**0.5, 16), (10, 1.0, 16), (50, 5.0, 50)])
def test_more_synthetic_images_get_larger_steps_and_as_many_real_ones(ipc: int, lr: float, real: int) -> None:
    for method in (DM.classic(ipc), DM.long(ipc)):
        assert method.lr == pytest.approx(lr)
        assert method.batch_per_class == real


@pytest.mark.parametrize("data", [{}, {"data": {"source": "mnist"}}, {"data": {"source": "fashion-mnist", "classes": ["Bag", "Coat"]}}])
@pytest.mark.parametrize("name", ["classic", "long"])
def test_grey_images_get_larger_steps(name: str, data: dict[str, object]) -> None:
    grey = preset_for(name, {"ipc": 10, **data}).method
    coloured = preset(name, 10).method
    assert isinstance(grey, DM)
    assert isinstance(coloured, DM)
    assert grey.lr == 4 * coloured.lr


def test_unknown_images_count_as_coloured() -> None:
    assert preset_for("fast", {"ipc": 10, "data": {"source": "path/to/images"}}).method == DM.fast(10)


@pytest.mark.parametrize("classes", [["a", "b"], ("a", "b"), "a,b"])
def test_the_number_of_chosen_classes_counts(classes: object) -> None:
    assert preset_for("fast", {"ipc": 50, "data": {"source": "cifar100", "classes": classes}}).method == DM.fast(50, 2)


def test_own_images_have_no_published_constants() -> None:
    assert preset_for("paper", {"data": {"source": "cifar10"}}).data.preprocessing == "published"
    assert preset_for("paper", {}).data.preprocessing == "published"
    assert preset_for("paper", {"data": {"source": "digits"}}).data.preprocessing == "standardize"
    assert preset_for("paper", {"data": {"source": "path/to/images"}}).data.preprocessing == "standardize"


@pytest.mark.parametrize("numbers", [(0, 10), (-1, 10), (1, 0)])
def test_impossible_sizes_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(CondensationError) as caught:
        preset("fast", *numbers)
    assert caught.value.setting == "ipc"


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(CondensationError) as caught:
        preset("fats")
    assert caught.value.setting == "preset"


# -- the order of the layers: defaults, preset, file, options, overrides; a preset that is named wins over the file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of settings of every group that a preset determines, and of others."""
    path = tmp_path / "a.toml"
    path.write_text(
        "ipc = 5\nseed = 4\n[data]\nsource = 'cifar10'\npreprocessing = 'zca'\n[method]\nname = 'dm'\nsteps = 9\n"
        "[evaluation]\nnetworks = 2\n[evaluation.recipe]\nepochs = 41\nlr = 0.5\n"
    )
    return path


def steps(settings: RunSettings) -> int:
    return settings.method.steps


def test_the_default_preset_is_fast() -> None:
    assert settings_from() == settings_from(preset="fast") == preset("fast", channels=1)
    assert steps(settings_from(preset="best")) > steps(settings_from())


@pytest.mark.parametrize("name", ["fast", "best"])
def test_a_preset_leaves_out_what_the_settings_exclude(name: str) -> None:
    """Whitened images have no tiles, and untrained networks no calibration."""
    whitened = {"data": {"source": "cifar10", "preprocessing": "zca"}}
    assert settings_from(preset=name, options={"data.preprocessing": "zca"}).method.form is None
    assert preset_for(name, whitened).method.form is None
    for networks in ("fresh", {"name": "pool", "path": "somewhere"}):
        method = settings_from(preset=name, options={"method.networks": networks}).method
        assert (method.form, method.calibration) == (Tiles(), 0)
    narrow = settings_from(preset=name, options={"data.source": "cifar10"}, overrides=["method.networks.spec.width=8"]).method
    assert (narrow.networks.spec.width, narrow.calibration) == (8, 1.0)


@pytest.mark.parametrize("name", ["fast", "best"])
def test_several_greyscale_images_have_untrained_networks(name: str) -> None:
    grey, colour = (preset_for(name, {"data": {"source": source}, "ipc": 10}).method for source in ("fashion-mnist", "cifar10"))
    assert isinstance(grey, DM)
    assert isinstance(colour, DM)
    assert (grey.form, grey.networks.is_trained, grey.calibration, grey.start) == (Tiles(), False, 0.0, "kmeans")
    assert (colour.form, colour.networks.is_trained, colour.calibration) == (Tiles(), True, 1.0)
    whole = {"fast": DM.classic, "best": DM.long}[name](50, channels=1)
    assert preset_for(name, {"data": {"source": "fashion-mnist"}, "ipc": 50}).method == whole


@pytest.mark.parametrize("data", [{"source": "digits"}, {"source": "cifar10", "size": 16}, {"source": "own", "size": "20x64"}])
def test_small_images_have_no_room_for_several_in_each(data: dict[str, object]) -> None:
    channels = 1 if data["source"] == "digits" else 3
    assert preset_for("fast", {"data": data, "ipc": 10}).method == DM.classic(10, channels=channels)
    assert preset_for("best", {"data": data, "ipc": 10}).method == DM.long(10, channels=channels)
    assert preset_for("fast", {"data": {**data, "size": 32}, "ipc": 10}).method == DM.fast(10, channels=channels)


def test_a_saved_run_without_forms_gets_none(tmp_path: Path) -> None:
    content = to_dict(preset("classic", 5))
    for name in ("form", "calibration"):  # settings that earlier versions lacked
        del content["method"][name]
    (tmp_path / "settings.json").write_text(json.dumps({"settings": content}))
    assert settings_from(file=tmp_path / "settings.json").method == DM.classic(5)


def test_the_file_wins_over_the_default_preset(file: Path) -> None:
    settings = settings_from(file=file)
    assert (steps(settings), settings.evaluation.recipe, settings.data.preprocessing) == (9, Recipe(epochs=41, lr=0.5), "zca")
    assert settings.method == replace(
        DM.fast(5), steps=9, form=None
    )  # settings that the file lacks are those of the preset, but whitened images have no tiles


def test_a_named_preset_wins_over_the_file(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_from(file=file, preset="paper")
    assert settings.method == DM.paper(5)
    assert settings.evaluation == preset("paper").evaluation
    assert settings.data == DataSettings("cifar10", preprocessing="published")
    assert (settings.ipc, settings.seed) == (5, 4)
    assert all(name in caplog.text for name in ("evaluation", "method", "data.preprocessing"))


def test_a_named_preset_keeps_the_method_of_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.toml").write_text("method = 'gmmn'\nseed = 3\n")
    assert settings_from(file=tmp_path / "a.toml", preset="paper").method == GMMN.paper()
    assert not caplog.text


def test_a_saved_run_with_a_named_preset_has_the_protocol_of_the_preset(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"settings": to_dict(preset("fast", 5))}))
    assert settings_from(file=tmp_path / "settings.json", preset="paper").evaluation == preset("paper").evaluation


def test_options_win_over_the_file_and_the_preset(file: Path) -> None:
    options = {"method.steps": 3, "seed": None}
    assert [steps(settings_from(file=file, preset=name, options=options)) for name in (None, "paper")] == [3, 3]
    assert settings_from(file=file, options=options).seed == 4


def test_overrides_win_over_options(file: Path) -> None:
    assert steps(settings_from(file=file, preset="paper", options={"method.steps": 3}, overrides=["method.steps=2"])) == 2


@pytest.mark.parametrize("layer", [{"options": {"evaluation.recipe": "paper"}}, {"overrides": ["evaluation.recipe=paper"]}])
def test_a_named_recipe_wins_over_the_file(file: Path, layer: dict[str, Any]) -> None:
    assert settings_from(file=file, **layer).evaluation.recipe == Recipe.paper()
    assert settings_from(file=file, **layer).evaluation.networks == 2


def test_overrides_change_a_named_recipe_in_any_order(file: Path) -> None:
    for overrides in (["evaluation.recipe=paper", "evaluation.recipe.epochs=3"], ["evaluation.recipe.epochs=3", "evaluation.recipe=paper"]):
        assert settings_from(file=file, overrides=overrides).evaluation.recipe == Recipe.paper(3)


def test_a_network_is_that_of_the_evaluation_and_of_the_method(file: Path) -> None:
    settings = settings_from(file=file, network="lenet")
    assert (settings.evaluation.network, settings.method.network) == (NETWORKS["lenet"], NETWORKS["lenet"])
    assert steps(settings) == 9
    assert settings_from(options={"method": "random"}, network="lenet").evaluation.network == NETWORKS["lenet"]


def test_an_unknown_preset_is_refused_with_a_file_too(file: Path) -> None:
    with pytest.raises(CondensationError) as caught:
        settings_from(file=file, preset="fats")
    assert caught.value.setting == "preset"
