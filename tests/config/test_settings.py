import json
from dataclasses import fields, replace

import pytest

from condensation.augment.dsa import DSA
from condensation.config.build import from_dict
from condensation.config.toml import apply_override, layered, overlay, read_settings, to_toml
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.evaluation.compare import EvaluationSettings
from condensation.methods.dm import DM
from condensation.methods.random import Random
from condensation.methods.registry import METHODS
from condensation.networks.base import NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.lenet import LeNet
from condensation.networks.registry import NETWORKS
from condensation.networks.samplers import Fresh
from condensation.runs.evaluate_saved import EvaluateSettings
from condensation.runs.settings import RunSettings
from condensation.training.train import Recipe


def overridden(*overrides, content=()):
    content = dict(content)
    for override in overrides:
        content = apply_override(content, override)
    return from_dict(RunSettings, content, RunSettings())


def refusal(*overrides):
    with pytest.raises(CondensationError) as caught:
        overridden(*overrides)
    return caught.value


@pytest.mark.parametrize(
    "settings", [RunSettings(), EvaluateSettings(), EvaluateSettings(data={"source": "digits", "size": 8}), Recipe.paper()]
)
def test_settings_come_back_from_json(settings):
    assert from_dict(type(settings), json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize("name", METHODS)
def test_every_method_comes_back(name):
    settings = RunSettings(method=METHODS[name]())
    assert from_dict(RunSettings, json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back(name):
    assert from_dict(NetworkSpec, json.loads(json.dumps(to_dict(NETWORKS[name])))) == NETWORKS[name]


def test_none_comes_back_as_none():
    settings = RunSettings(method=DM(augmentation=None), evaluation=EvaluationSettings(recipe=Recipe(augmentation=None)))
    assert from_dict(RunSettings, json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize(
    ("override", "is_set"),
    [
        ("method.lr=0.5", lambda s: s.method.lr == 0.5),
        ("method.lr=1", lambda s: s.method.lr == 1.0 and isinstance(s.method.lr, float)),
        ("method.networks.spec.width=16", lambda s: s.method.networks == Fresh(ConvNet(width=16))),
        ("method.networks.spec=lenet", lambda s: s.method.networks == Fresh(LeNet())),
        ("evaluation.network=lenet", lambda s: s.evaluation.network == LeNet()),
        ("evaluation.network.depth=none", lambda s: s.evaluation.network.depth is None),
        ("evaluation.recipe=paper", lambda s: s.evaluation.recipe == Recipe.paper()),
        ("evaluation.recipe={name='paper',epochs=300}", lambda s: s.evaluation.recipe == Recipe.paper(300)),
        ("method.augmentation=none", lambda s: s.method.augmentation is None),
        ("method.augmentation.operations=flip,crop", lambda s: s.method.augmentation == DSA(operations=("flip", "crop"))),
        ('method.augmentation.operations=["flip"]', lambda s: s.method.augmentation == DSA(operations=("flip",))),
        ("method=random", lambda s: s.method == Random()),
        ("ipc=3", lambda s: s.ipc == 3),
        ("ipc.cat=3", lambda s: s.ipc == {"cat": 3}),
        ("ipc.T-shirt/top=3", lambda s: s.ipc == {"T-shirt/top": 3}),
        ("baseline=false", lambda s: s.baseline is False),
        ("data.source=a=b", lambda s: s.data.source == "a=b"),
        ("data.source=5", lambda s: s.data.source == "5"),
        (" seed = 7 ", lambda s: s.seed == 7),
        ("compute.chunk=none", lambda s: s.compute.chunk is None),
    ],
)
def test_an_override_sets_its_setting(override, is_set):
    assert is_set(overridden(override))


def test_later_overrides_win():
    assert overridden("seed=1", "seed=2").seed == 2


def test_a_name_keeps_the_settings_of_its_own_kind():
    assert overridden("method.lr=0.5", "method=dm").method.lr == 0.5


def test_another_kind_drops_the_settings_of_the_old_one():
    assert overridden("method=random", content={"method": {"name": "dm", "lr": 0.5}}).method == Random()


def test_settings_of_a_group_change_the_named_value():
    assert overridden("evaluation.network.width=16", content={"evaluation": {"network": "convnet-bn"}}).evaluation.network == replace(
        NETWORKS["convnet-bn"], width=16
    )


def test_an_unknown_setting_is_guessed():
    error = refusal("method.networks.spec.widht=3")
    assert error.message == "ConvNet has no setting 'widht'. Did you mean 'width'?"
    assert error.hint == f"It has {', '.join(field.name for field in fields(ConvNet))}."


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("steps=3", "method.steps"),
        ("lr=3", "method.lr or evaluation.recipe.lr"),
        ("size=3", "data.size"),
        ("evaluation.lr=3", "evaluation.recipe.lr"),
        ("method.width=3", "method.networks.spec.width"),
    ],
)
def test_a_setting_of_a_group_is_suggested(override, meant):
    assert f"has no setting {override.rpartition('=')[0].split('.')[-1]!r}. Did you mean {meant}?" in refusal(override).message


@pytest.mark.parametrize("method", ["kip", "gtn", "gmmn", "dc-vae", "biggan"])
def test_methods_with_a_setting_are_named(method):
    error = refusal(f"method={method}", "method.form=tiles")
    assert error.setting == "method.form"
    assert error.hint.endswith(" Methods with form: random, herding, k-center, forgetting, pixel-mmd, dc, dsa, dm.")


def test_settings_of_a_group_are_listed():
    assert refusal("method=random", "method.lrs=3").hint == "It has form."
    assert refusal("evaluation.network=lenet", "evaluation.network.width=3").hint == "It has none."


@pytest.mark.parametrize(
    ("override", "setting", "word"),
    [
        ("method=dmm", "method", "Did you mean 'dm'?"),
        ("method=5", "method", "dm"),
        ('method={name=["dm"]}', "method", "['dm']"),
        ("evaluation.network=lenett", "evaluation.network", "'lenet'"),
        ("method.lr=fast", "method.lr", "a number"),
        ("method.lr=nan", "method.lr", "finite"),
        ("method.lr=true", "method.lr", "a number"),
        ("seed=x", "seed", "a whole number"),
        ("seed=1.5", "seed", "a whole number"),
        ("seed=", "seed", "a whole number"),
        ("seed=true", "seed", "a whole number"),
        ("seed=none", "seed", "a whole number"),
        ("baseline=1", "baseline", "true or false"),
        ("ipc=0", "ipc", "0"),
        ("ipc.cat=0", "ipc.cat", "0"),
        ("method.networks=freshly", "method.networks", "'fresh'"),
        ("method.networks.spec=resnet99", "method.networks.spec", "'resnet18'"),
        ("ipc=many", "ipc", "a whole number or a table"),
        ("ipc.cat=x", "ipc.cat", "a whole number"),
        ("method.start=middle", "method.start", "real, kmeans, noise"),
        ("method.augmentation.operations=3", "method.augmentation.operations", "a list"),
        ("data=digits", "data", "data.source"),
        ("data=3", "data", "data.source"),
        ("data.source=[1]", "data.source", "a string"),
        ("data.source=", "data.source", "No data set"),
        ("evaluation.networks=-1", "evaluation.networks", "-1"),
        ("method.widht=3", "method.widht", "DM has no setting"),
    ],
)
def test_a_wrong_value_names_its_setting(override, setting, word):
    error = refusal(override)
    assert error.setting == setting
    assert word in str(error)


@pytest.mark.parametrize("override", ["data.size=0", "method.steps=-1", "compute.chunk=0"])
def test_impossible_numbers_are_refused(override):
    assert override.partition("=")[2] in str(refusal(override))


@pytest.mark.parametrize("override", ["seed", "=3", "method..lr=3"])
def test_an_override_of_another_form_is_refused(override):
    assert repr(override) in refusal(override).message


def test_toml_is_read_back(tmp_path):
    settings = overridden("method.lr=0.5", "ipc.cat=2", "evaluation.network=vgg11", "method.augmentation=none")
    (tmp_path / "config.toml").write_text(to_toml(to_dict(settings)), encoding="utf-8")
    assert from_dict(RunSettings, read_settings(tmp_path / "config.toml"), RunSettings()) == settings


def test_json_is_read_as_well(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"method": {"lr": 0.5}, "data": {"size": None}}))
    assert from_dict(RunSettings, read_settings(tmp_path / "config.json"), RunSettings()).method.lr == 0.5


def test_the_settings_of_a_run_folder_are_a_config(tmp_path):
    settings = overridden("seed=4")
    (tmp_path / "settings.json").write_text(json.dumps({"settings": to_dict(settings), "versions": {}}))
    assert from_dict(RunSettings, read_settings(tmp_path / "settings.json")) == settings


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no.toml", None),
        ("bad.toml", b"seed = "),
        ("bad.json", b"{"),
        ("binary.toml", b"\xff\xfe\x00"),
        ("list.json", b"[1]"),
        ("", None),  # the folder itself
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CondensationError) as caught:
        read_settings(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.setting == "config"


# -- the command line over a file


def test_options_win_over_the_file_and_overrides_over_both():
    file = {"seed": 1, "ipc": 1, "data": "digits", "method": {"lr": 1.0}}
    content = layered(file, {"seed": 2, "ipc": 2, "method": None}, ["ipc=3"])
    assert content == {"seed": 2, "ipc": 3, "data": {"source": "digits"}, "method": {"lr": 1.0}}


@pytest.mark.parametrize(
    ("file", "given", "merged"),
    [
        ({"recipe": {"epochs": 9, "lr": 0.1}}, {"recipe": "paper"}, {"recipe": "paper"}),
        ({"recipe": {"epochs": 9}}, {"recipe": {"name": "paper", "lr": 0.2}}, {"recipe": {"name": "paper", "lr": 0.2}}),
        ({"recipe": "paper"}, {"recipe": {"epochs": 5}}, {"recipe": {"name": "paper", "epochs": 5}}),
        ({"recipe": {"epochs": 9}}, {"recipe": {"lr": 0.2}}, {"recipe": {"epochs": 9, "lr": 0.2}}),
        ({"network": {"name": "convnet", "norm": "batch"}}, {"network": "convnet"}, {"network": "convnet"}),
        ({"network": {"name": "a.py:f", "layer": "1"}}, {"network": "a.py:f"}, {"network": {"name": "a.py:f", "layer": "1"}}),
        ({"network": {"name": "a.py:f", "layer": "1"}}, {"network": "a.py:g"}, {"network": "a.py:g"}),
        ({"method": {"name": "dm", "lr": 0.5}}, {"method": "dm"}, {"method": {"name": "dm", "lr": 0.5}}),
        ({"method": {"lr": 0.5}}, {"method": "dm"}, {"method": {"name": "dm", "lr": 0.5}}),
        ({"method": {"name": "dm", "lr": 0.5}}, {"method": {"name": "dsa", "steps": 3}}, {"method": {"name": "dsa", "steps": 3}}),
        ({"method": {"augmentation": {"name": "dsa"}}}, {"method": {"augmentation": "none"}}, {"method": {"augmentation": "none"}}),
        ({"ipc": {"cat": 1}}, {"ipc": {"dog": 2}}, {"ipc": {"cat": 1, "dog": 2}}),
        ({"ipc": {"cat": 1}}, {"ipc": 3}, {"ipc": 3}),
    ],
)
def test_a_name_on_the_command_line_replaces_the_group_of_the_file(file, given, merged):
    assert overlay(file, given) == merged
