import json
from dataclasses import fields, replace

import pytest

from condensation.augment.dsa import DSA
from condensation.config.build import from_dict
from condensation.config.toml import apply_override, read, to_toml
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
from condensation.runs.run import RunSettings
from condensation.training.train import Recipe


def overridden(*overrides, content=()):
    content = dict(content)
    for override in overrides:
        content = apply_override(content, override)
    return from_dict(RunSettings, content, RunSettings())


def message(*overrides, content=()):
    with pytest.raises(CondensationError) as caught:
        overridden(*overrides, content=content)
    return str(caught.value)


@pytest.mark.parametrize(
    "settings", [RunSettings(), EvaluateSettings(), EvaluateSettings(data={"source": "digits", "size": 8}), Recipe.paper()]
)
def test_plain_and_back(settings):
    assert from_dict(type(settings), json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize("name", METHODS)
def test_every_method_comes_back(name):
    settings = RunSettings(method=METHODS[name]())
    assert from_dict(RunSettings, json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back(name):
    assert from_dict(NetworkSpec, json.loads(json.dumps(to_dict(NETWORKS[name])))) == NETWORKS[name]


def test_nothing_comes_back_as_nothing():
    settings = RunSettings(method=DM(augmentation=None), evaluation=EvaluationSettings(recipe=Recipe(augmentation=None)))
    assert from_dict(RunSettings, json.loads(json.dumps(to_dict(settings)))) == settings


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("method.lr=0.5", lambda s: s.method.lr == 0.5),
        ("method.lr=1", lambda s: s.method.lr == 1.0 and isinstance(s.method.lr, float)),
        ("method.networks.spec.width=16", lambda s: s.method.networks == Fresh(ConvNet(width=16))),
        ("method.networks.spec=lenet", lambda s: s.method.networks == Fresh(LeNet())),
        ("evaluation.network=lenet", lambda s: s.evaluation.network == LeNet()),
        ("evaluation.network.depth=none", lambda s: s.evaluation.network.depth is None),
        ("evaluation.recipe=paper", lambda s: s.evaluation.recipe == Recipe.paper()),
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
def test_one_override(override, found):
    assert found(overridden(override))


def test_later_overrides_win():
    assert overridden("seed=1", "seed=2").seed == 2


def test_a_name_keeps_the_settings_of_its_own_kind():
    assert overridden("method.lr=0.5", "method=dm").method.lr == 0.5


def test_another_kind_drops_the_settings_of_the_old_one():
    assert overridden("method=random", content={"method": {"name": "dm", "lr": 0.5}}).method == Random()


def test_settings_of_a_part_go_on_from_its_name():
    assert overridden("evaluation.network.width=16", content={"evaluation": {"network": "convnet-bn"}}).evaluation.network == replace(
        NETWORKS["convnet-bn"], width=16
    )


def test_an_unknown_setting_is_guessed():
    text = message("method.networks.spec.widht=3")
    assert text == (f"ConvNet has no setting 'widht'. Did you mean 'width'?\nIt has {', '.join(field.name for field in fields(ConvNet))}.")


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
def test_a_setting_of_a_part_is_found(override, meant):
    assert f"has no setting {override.rpartition('=')[0].split('.')[-1]!r}. Did you mean {meant}?" in message(override)


def test_an_unknown_setting_of_what_has_none():
    assert message("method=random", "method.lr=3") == "Random has no setting 'lr'.\nIt has none."


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("method=dmm", "There is no method 'dmm'. Did you mean 'dm'?"),
        ("method=5", f"method is 5; it must be a name ({', '.join(METHODS)}) or settings."),
        ('method={name=["dm"]}', "There is no method \"['dm']\""),
        ("evaluation.network=lenett", "There is no network 'lenett'. Did you mean 'lenet'?"),
        ("method.lr=fast", "method.lr is 'fast'; it must be a number."),
        ("method.lr=nan", "method.lr is nan; it must be a finite number."),
        ("method.lr=true", "method.lr is True; it must be a number."),
        ("seed=x", "seed is 'x'; it must be a whole number."),
        ("seed=1.5", "seed is 1.5; it must be a whole number."),
        ("seed=", "seed is ''; it must be a whole number."),
        ("seed=true", "seed is True; it must be a whole number."),
        ("seed=none", "seed is 'none'; it must be a whole number."),
        ("baseline=1", "baseline is 1; it must be true or false."),
        ("ipc=0", "ipc is 0; ipc must be at least 1."),
        ("ipc.cat=0", "ipc.cat is 0; ipc must be at least 1."),
        ("method.networks=freshly", "There is no way to draw networks 'freshly'. Did you mean 'fresh'?"),
        ("method.networks.spec=resnet99", "There is no network 'resnet99'. Did you mean 'resnet18'?"),
        ("ipc=many", "ipc is 'many'; it must be a whole number or a table of name = value."),
        ("ipc.cat=x", "ipc.cat is 'x'; it must be a whole number."),
        ("method.start=middle", "method.start is 'middle'; it can be real, kmeans, noise."),
        ("method.augmentation.operations=3", "method.augmentation.operations is 3; it must be a list."),
        ("data=digits", "data is 'digits'; it must be given one by one: data.source,"),
        ("data=3", "data is 3; it must be given one by one: data.source,"),
        ("data.source=[1]", "data.source is [1]; it must be a text."),
        ("seed", "'seed' is not a setting.\nWrite settings as name=value"),
        ("=3", "'=3' is not a setting."),
        ("method..lr=3", "'method..lr=3' is not a setting."),
        ("data.source=", "No data set is named."),
        ("data.size=0", "The size must be at least 1 pixel; it is 0."),
        ("evaluation.networks=-1", "evaluation.networks is -1; it must be at least 1"),
        ("method.steps=-1", "method.steps is -1; it must be at least 0."),
        ("compute.chunk=0", "compute.chunk is 0; it must be at least 1"),
    ],
)
def test_a_wrong_setting_is_named(override, text):
    assert message(override).startswith(text)


def test_toml_is_read_back(tmp_path):
    settings = overridden("method.lr=0.5", "ipc.cat=2", "evaluation.network=vgg11", "method.augmentation=none")
    (tmp_path / "config.toml").write_text(to_toml(to_dict(settings)), encoding="utf-8")
    assert from_dict(RunSettings, read(tmp_path / "config.toml"), RunSettings()) == settings


def test_json_is_read_as_well(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"method": {"lr": 0.5}, "data": {"size": None}}))
    assert from_dict(RunSettings, read(tmp_path / "config.json"), RunSettings()).method.lr == 0.5


def test_the_settings_of_a_run_folder_are_a_config(tmp_path):
    settings = overridden("seed=4")
    (tmp_path / "settings.json").write_text(json.dumps({"settings": to_dict(settings), "versions": {}}))
    assert from_dict(RunSettings, read(tmp_path / "settings.json")) == settings


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("none.toml", None, "There is no settings file"),
        ("bad.toml", b"seed = ", "cannot be read as TOML"),
        ("bad.json", b"{", "cannot be read as JSON"),
        ("binary.toml", b"\xff\xfe\x00", "cannot be read as TOML"),
        ("list.json", b"[1]", "must hold settings by name"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, text):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CondensationError, match=text) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_a_folder_is_no_settings_file(tmp_path):
    with pytest.raises(CondensationError, match="cannot be read"):
        read(tmp_path)
