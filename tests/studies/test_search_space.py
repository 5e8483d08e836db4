"""The space of networks, and the order in which it is gone through."""

from collections import Counter
from dataclasses import fields, replace

import pytest
import torch

from condensation.config.build import from_dict
from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.networks.convnet import ConvNet
from condensation.studies.nas.search_space import Space, stratified_order

SMALL = Space(width=(4, 8), depth=(1, 2), norm=("none", "batch"), activation=("relu",), pooling=("none", "avg"))
NAMES = [field.name for field in fields(Space)]


def test_there_are_720_networks_and_all_fit_images_of_32_pixels():
    fitting, others = Space().networks((3, 32, 32), 10)
    assert (len(Space()), len(fitting), others) == (720, 720, {})
    assert fitting["w64-d3-instance-relu-avg"] == ConvNet(width=64, depth=3)


def test_every_kind_of_network_can_be_built_and_run():
    every = replace(Space(), width=(4,), depth=(1, 2))
    for network in every.networks((1, 8, 8), 3)[0].values():
        assert network.build((1, 8, 8), 3, Rng(0))(torch.zeros(2, 1, 8, 8)).shape == (2, 3)


def test_networks_that_do_not_fit_are_named_with_the_reason():
    fitting, others = Space().networks((1, 8, 8), 10)
    assert len(fitting) == 600
    assert set(others) == {name for name in others if "-d4-" in name and not name.endswith("-none")}
    assert len(others) == 4 * 5 * 3 * 2
    (reason,) = set(others.values())
    assert "too deep" in reason


def test_invalid_combinations_are_listed_with_the_reason():
    fitting, others = replace(SMALL, width=(6, 8), norm=("group",)).networks((1, 8, 8), 3)
    assert len(fitting) == 4
    assert all(name.startswith("w6-") and "4" in why for name, why in others.items())


def test_every_prefix_of_the_order_is_a_stratified_sample():
    networks = list(Space().networks((3, 32, 32), 10)[0].values())
    order = stratified_order(networks, Rng(0))
    for count in (12, 36, 60, 180):
        chosen = [networks[place] for place in order[:count]]
        for name in NAMES:
            often = Counter(getattr(network, name) for network in chosen)
            assert len(often) == len(getattr(Space(), name))
            assert max(often.values()) - min(often.values()) <= 1
        together = Counter((network.width, network.depth) for network in chosen)
        assert max(together.values()) - min(together.values() if len(together) == 16 else [0]) <= 2


def test_the_order_has_every_network_once_and_depends_on_the_seed():
    networks = list(SMALL.networks((1, 8, 8), 3)[0].values())
    orders = [stratified_order(networks, Rng(seed)) for seed in (0, 0, 1)]
    assert sorted(orders[0]) == list(range(16))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("choices", [{"width": ()}, {"norm": ("batch", "batch")}])
def test_space_with_no_choice_or_a_repeated_one_raises(choices):
    with pytest.raises(CondensationError) as error:
        Space(**choices)
    assert error.value.setting == f"space.{next(iter(choices))}"


def test_a_space_comes_from_a_file():
    assert from_dict(Space, to_dict(SMALL)) == SMALL
    with pytest.raises(CondensationError) as error:
        from_dict(Space, {"pooling": ["median"]})
    assert "'median'" in error.value.message
