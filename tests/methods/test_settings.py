"""Settings of all methods: invalid values, presets, and uniform access to network, sampler and learning rate."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from condensation import DC, DCVAE, DM, GMMN, GTN, KIP, METHODS, BestOf, CondensationError, ConvNet, Fresh, Method, NetworkSpec
from condensation.augment.dsa import DSA
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.methods.generative import GenerativeMethod
from condensation.networks.base import NetworkSampler
from condensation.networks.samplers import Pool
from condensation.training.train import Recipe

COMMON = [("lr", 0.0), ("lr", float("nan"))]
SGD_ON_PIXELS = [*COMMON, ("steps", -1), ("batch_per_class", 0), ("momentum", 1.0), ("averaging", 1.0), ("start", "reel")]
INVALID: dict[str, list[tuple[str, object]]] = {
    "pixel-mmd": SGD_ON_PIXELS,
    "dm": [*SGD_ON_PIXELS, ("schedule", "cosin"), ("classes_at_a_time", 0)],
    "dc": [*SGD_ON_PIXELS, ("network_lr", 0.0), ("outer_loops", 0), ("inner_loops", 0), ("network_batch", 0), ("distance", "theirs")],
    "dsa": SGD_ON_PIXELS,
    "kip": [*COMMON, ("steps", -1), ("batch", 0), ("reg", -1.0), ("reg", float("nan")), ("labels", "soft"), ("start", "zero")],
    "forgetting": [("never_right", "last")],
    "gmmn": [
        *COMMON,
        *(("networks", "many"), ("optimizer", "lion"), ("iterations", -1), ("lr_drop_step", -1), ("unit", 0.0), ("weight", 0.0)),
        *(("hidden", (8, 0)), ("hidden", ()), ("momentum", 1.0)),
    ],
    "dc-vae": [*COMMON, ("queue", 32), ("networks", "two"), ("divergence", -1.0), ("temperature", 0.0), ("averaging", 1.0), ("samples", 0)],
    "biggan": [*COMMON, ("batch", 0), ("critic_steps", 0), ("averaging", 1.0), ("averaging_from", -1)],
    "gtn": [
        *COMMON,
        *(("batch", 1), ("passes", 0), ("learner_lr", 0.0), ("learner_momentum", 1.0), ("learner_momentum", 0.0)),
        *(("intermediate", -1.0), ("betas", (0.9,)), ("betas", (0.9, 1.0)), ("channels", (8,)), ("keep_every", 0)),
    ],
    "best-of": [("sets", 0), ("mixtures", 0), ("eval_per_class", 0), ("of", GMMN()), ("of", BestOf())],
}


@pytest.mark.parametrize(("name", "setting", "value"), [(name, *case) for name, cases in INVALID.items() for case in cases])
def test_an_invalid_setting_is_named(name: str, setting: str, value: object) -> None:
    with pytest.raises(CondensationError) as raised:
        METHODS[name](**{setting: value})
    assert raised.value.setting == f"method.{setting}"
    assert setting in raised.value.message


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_valid_and_survive_plain_values(name: str) -> None:
    method = METHODS[name]()
    assert method.name == name
    assert from_dict(Method, to_dict(method)) == method  # type: ignore[type-abstract]


@pytest.mark.parametrize("kind", [kind for kind in METHODS.values() if issubclass(kind, GenerativeMethod)])
def test_long_is_fast_with_ten_times_the_steps(kind: type[GenerativeMethod]) -> None:
    fast, long = kind.fast(), kind.long()
    assert getattr(long, kind.lengthened) == 10 * getattr(fast, kind.lengthened)
    assert replace(long, **{kind.lengthened: getattr(fast, kind.lengthened)}) == fast


def test_best_of_an_hour_makes_fewer_sets_of_more_images() -> None:
    small, large = BestOf.hour(10), BestOf.hour(50)
    assert (small.sets, small.mixtures) == (8, 192)
    assert (large.sets, large.mixtures) == (4, 38)
    assert (small.of, large.of) == (DM.classic(10), DM.classic(50))


# -- network, sampler and learning rate


def values_in(settings: Any, kind: type, path: str = "") -> dict[str, object]:
    """All values of ``kind`` within nested settings, by dotted name."""
    found: dict[str, object] = {}
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{path}{field.name}"
        if isinstance(value, kind):
            found[name] = value
        if is_dataclass(value):
            found.update(values_in(value, kind, f"{name}."))
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_architecture_and_sampler_is_declared(name: str) -> None:
    method = METHODS[name]()
    networks = values_in(method, NetworkSpec)
    assert set(method.network_settings) == set(networks)
    assert method.network == networks.get(method.network_setting)
    samplers = values_in(method, NetworkSampler)
    assert method.sampler == (next(iter(samplers.values())) if samplers else None)
    assert len(samplers) <= 1


@pytest.mark.parametrize("name", METHODS)
def test_the_network_can_be_replaced(name: str) -> None:
    method, network = METHODS[name](), ConvNet(width=5)
    if method.network is None:
        with pytest.raises(CondensationError) as caught:
            method.with_network(network)
        assert caught.value.setting == "method"
        return
    changed = method.with_network(network)
    assert changed.network == network
    assert changed.with_network(method.network) == method
    assert values_in(changed, NetworkSpec)[method.network_setting] == network


@pytest.mark.parametrize("name", METHODS)
def test_the_sampler_can_be_replaced(name: str) -> None:
    method, sampler = METHODS[name](), Pool("pools/cifar10", "20-30", ConvNet(width=5))
    if method.sampler is None:
        with pytest.raises(CondensationError) as caught:
            method.with_sampler(sampler)
        assert caught.value.setting == "method"
        return
    changed = method.with_sampler(sampler)
    assert (changed.sampler, changed.network) == (sampler, sampler.spec)
    assert changed.with_sampler(method.sampler) == method


@pytest.mark.parametrize("name", METHODS)
def test_the_learning_rate_can_be_replaced(name: str) -> None:
    method = METHODS[name]()
    has_rate = any(setting.rpartition(".")[2] == "lr" and "recipe" not in setting for setting in values_in(method, float))
    assert (method.lr is not None) == has_rate
    if method.lr is None:
        with pytest.raises(CondensationError, match="has no learning rate"):
            method.with_lr(0.125)
        return
    changed = method.with_lr(0.125)
    assert changed.lr == 0.125
    assert values_in(changed, float)[method.lr_setting] == 0.125
    assert changed.with_lr(method.lr) == method


def test_best_of_passes_the_settings_of_its_method_on() -> None:
    method = BestOf(DC(), eval_network=ConvNet(width=7))
    assert (method.network_setting, method.lr_setting) == ("of.networks.spec", "of.lr")
    assert method.network_settings == ("of.networks.spec", "eval_network")
    assert method.with_network(ConvNet(width=5)).of == DC(networks=Fresh(ConvNet(width=5)))
    selection = BestOf(METHODS["herding"]())
    assert (selection.network_setting, selection.sampler, selection.lr) == ("of.network", None, None)
    assert BestOf(METHODS["random"]()).network_setting == ""


# -- published settings


def test_published_settings_are_the_defaults() -> None:
    assert DCVAE.paper() == DCVAE()
    assert METHODS["biggan"].paper() == METHODS["biggan"]()  # type: ignore[attr-defined]
    assert DM.paper(50) == DM()
    assert DM.paper(51) == DM(lr=10.0)
    dm = DM()
    assert (dm.steps, dm.lr, dm.momentum, dm.batch_per_class, dm.start, dm.networks) == (20_000, 1.0, 0.5, 256, "real", Fresh(ConvNet()))
    assert dm.augmentation == DSA()
    kip = KIP()
    assert (kip.lr, kip.reg, kip.batch) == (0.04, 1e-6, 5000)
    assert GTN.paper(410) == GTN()
    assert METHODS["forgetting"]().recipe == Recipe(epochs=20)  # type: ignore[attr-defined]
