"""Settings may name a person's own code, and come back from what was written of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condensation import DM, DSA, CondensationError, EvaluationSettings, Fresh, Recipe, Rng, RunSettings, Seeded, UserModule
from condensation.config.build import from_dict
from condensation.config.toml import apply_override, read_settings, to_toml
from condensation.core.plain import to_dict
from condensation.networks.convnet import ConvNet

CODE = '''
from __future__ import annotations
from dataclasses import dataclass, field
import torch
from torch import Tensor, nn
from condensation import ConvNet, DSA, Fresh, NetworkSampler, NetworkSpec, Random, Recipe, Rng
from condensation.methods.base import Selection, State

def small(channels, num_classes, width=4):
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

def jitter(images, strength=0.1):
    return images + strength * torch.randn(1, 1, 1, 1)

class Shift(nn.Module):
    """As the augmentations of kornia are made."""
    def __init__(self, by=1):
        super().__init__()
        self.by = by
    def forward(self, images):
        return images.roll(self.by, 3)

@dataclass(frozen=True)
class Wide(NetworkSpec):
    width: int = 8
    widths: list[int] = field(default_factory=lambda: [1, 2], hash=False)
    def layers(self, image_shape, num_classes):
        return ConvNet(width=self.width).layers(image_shape, num_classes)

@dataclass(frozen=True)
class Sized(NetworkSpec):
    width: int
    def layers(self, image_shape, num_classes):
        return ConvNet(width=self.width).layers(image_shape, num_classes)

@dataclass(frozen=True)
class Some(Fresh):
    rate: float = 0.5

@dataclass(frozen=True)
class First(Selection):
    skip: int = 0
    def init(self, real, ipc, rng, compute):
        return Random().init(real, ipc, rng, compute)

class Unwhole(NetworkSpec):
    pass

class Plain:
    """An augmentation that is no dataclass."""
    def fit(self, images):
        return self
    def per_class(self, classes, rng):
        return lambda images, rows: images
    def per_image(self, count, rng):
        return lambda images, rows: images

wide = Wide(width=16)
SHORT = Recipe(epochs=7)
three = 3
'''


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE)


def overridden(*overrides: str) -> RunSettings:
    content: dict[str, object] = {}
    for override in overrides:
        content = apply_override(content, override)
    return from_dict(RunSettings, content, RunSettings())


def refusal(*overrides: str) -> str:
    with pytest.raises(CondensationError) as caught:
        overridden(*overrides)
    assert 1 <= len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


OVERRIDES = [
    ("evaluation.network=mine.py:small",),
    ("evaluation.network=mine.py:small", "evaluation.network.layer=1", "evaluation.network.options.width=7"),
    ("evaluation.network=mine.py:small", "evaluation.network.options.widths=[1, 2]", "evaluation.network.options.a={channels}"),
    ("evaluation.network=mine.py:Wide", "evaluation.network.width=9", "evaluation.network.widths=[3]"),
    ("evaluation.network=mine.py:Sized", "evaluation.network.width=9"),
    ("evaluation.network=mine.py:wide",),
    ("method.networks.spec=mine.py:small", "method.networks.spec.layer=0"),
    ("method.networks=mine.py:Some", "method.networks.rate=0.25", "method.networks.spec=mine.py:wide"),
    ("method.augmentation=mine.py:jitter", "method.augmentation.options.strength=0.5"),
    ("evaluation.recipe.augmentation=mine.py:Shift", "evaluation.recipe.augmentation.options.by=2"),
    ("method=mine.py:First", "method.skip=2"),
    ("evaluation.recipe=mine.py:SHORT",),
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=" ".join)
def test_user_code_comes_back_from_json_and_toml(overrides: tuple[str, ...]) -> None:
    settings = overridden(*overrides)
    assert settings != RunSettings()
    assert from_dict(RunSettings, json.loads(json.dumps(to_dict(settings)))) == settings
    Path("config.toml").write_text(to_toml(to_dict(settings)))
    again = from_dict(RunSettings, read_settings("config.toml", trust=True), RunSettings())
    assert again == settings
    assert to_dict(again) == to_dict(settings)


def test_a_function_is_a_network_and_a_spec_is_itself() -> None:
    assert overridden("evaluation.network=mine.py:small").evaluation.network == UserModule("mine.py:small")
    assert to_dict(UserModule("mine.py:small", "1", {"width": 3})) == {"name": "mine.py:small", "layer": "1", "options": {"width": 3}}
    assert to_dict(overridden("evaluation.network=mine.py:wide"))["evaluation"]["network"] == {
        "name": "mine.py:Wide",
        "width": 16,
        "widths": [1, 2],
    }


def test_a_function_is_an_augmentation() -> None:
    assert overridden("method.augmentation=mine.py:jitter").method.augmentation == Seeded("mine.py:jitter")  # type: ignore[attr-defined]
    assert to_dict(Seeded("mine.py:jitter")) == {"name": "mine.py:jitter", "options": {}}


def test_an_augmentation_that_is_no_dataclass_goes_by_its_name() -> None:
    settings = overridden("method.augmentation=mine.py:Plain")
    assert to_dict(settings)["method"]["augmentation"] == {"name": "mine.py:Plain"}
    assert to_dict(from_dict(RunSettings, to_dict(settings))) == to_dict(settings)


def top_level(images: Tensor) -> Tensor:
    return images


@dataclass
class Callable:
    by: int = 3

    def __call__(self, images: Tensor) -> Tensor:
        return images


def test_objects_are_named_by_where_they_are_defined() -> None:
    assert to_dict(Seeded(top_level))["name"] == "tests.config.test_user_settings:top_level"
    assert to_dict(Seeded(Callable()))["name"] == "tests.config.test_user_settings:Callable"
    assert to_dict(UserModule(ConvNet))["name"] == "condensation.networks.convnet:ConvNet"


@pytest.mark.parametrize("function", [lambda images: images, partial(top_level)])
def test_functions_without_a_name_are_written_but_not_read_back(function: object) -> None:
    settings = RunSettings(method=DM(augmentation=Seeded(function)))  # type: ignore[arg-type]
    content = json.loads(json.dumps(to_dict(settings)))
    with pytest.raises(CondensationError, match="cannot be imported by name"):
        from_dict(RunSettings, content)


def test_user_code_replaces_the_settings_of_the_old_value() -> None:
    settings = RunSettings(method=DM(networks=Fresh(ConvNet(width=64))), evaluation=EvaluationSettings(recipe=Recipe(augmentation=DSA())))
    content = apply_override(to_dict(settings), "method.networks.spec=mine.py:small")
    assert from_dict(RunSettings, content, settings).method.networks == Fresh(UserModule("mine.py:small"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("evaluation.network=mine.py:smal", ("mine.py", "'small'", "jitter, Shift")),
        ("evaluation.network=mine.py", ("mine.py:NAME",)),
        ("evaluation.network=mine.py:three", ("type int", "callable", "network")),
        ("evaluation.network=mine.py:Unwhole", ("mine.py:Unwhole", "layers")),
        ("evaluation.network=mine.py:Sized", ("evaluation.network.width=VALUE",)),
        ("method=mine.py:small", ("type function", "a Method", "module:name or path/to/file.py:name")),
        ("method=mine.py:Wide", ("the class Wide", "a Method")),
        ("method.augmentation=nine.py:jitter", ("nine.py", "'mine.py'")),
        ("evaluation.recipe=mine.py:jitter", ("type function", "a Recipe")),
    ],
)
def test_a_mistake_is_named(override: str, words: tuple[str, ...]) -> None:
    assert all(word in refusal(override) for word in words)


def test_an_argument_in_the_wrong_place_is_told_the_right_one() -> None:
    assert "options.width" in refusal("evaluation.network=mine.py:small", "evaluation.network.width=3")


def test_the_options_of_an_augmentation_reach_it() -> None:
    pictures, rows = torch.arange(8.0).view(1, 1, 2, 4), torch.zeros(1, dtype=torch.long)
    rolled = Seeded("mine.py:Shift", {"by": 2}).per_class([0], Rng(0))(pictures, rows)
    assert torch.equal(rolled, pictures.roll(2, 3))
    assert torch.equal(Seeded("mine.py:jitter", {"strength": 0.0}).per_class([0], Rng(0))(pictures, rows), pictures)
