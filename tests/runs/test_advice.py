from dataclasses import replace

import pytest

from condensation.evaluation.scores import Scores, SetScore
from condensation.methods.best_of import BestOf
from condensation.methods.dm import DM
from condensation.methods.gmmn import GMMN
from condensation.methods.gtn import GTN
from condensation.methods.herding import Herding
from condensation.methods.kip import KIP
from condensation.methods.pixel_mmd import PixelMMD
from condensation.methods.random import Random
from condensation.networks.convnet import ConvNet
from condensation.networks.registry import NETWORKS
from condensation.networks.samplers import Fresh
from condensation.runs.advice import below_random, network_label, what_to_try


@pytest.mark.parametrize("name", NETWORKS)
def test_residual_networks_need_a_smaller_rate(name):
    assert 2.0 * NETWORKS[name].pixel_lr == pytest.approx(0.02 if name.startswith("resnet") else 2.0)


def scores(**means):
    sets = {name: SetScore(images=10, mean=mean, deviation=0.0, count=1, per_class={}) for name, mean in means.items()}
    return Scores(sets=sets, test=None, seed=0, evaluation={}, compute={}, machine={})


def test_a_set_below_random_images_is_noticed():
    assert below_random(scores(dm=12.0, random=14.6), "dm") == (12.0, 14.6)
    assert below_random(scores(dm=15.0, random=14.6), "dm") is None
    assert below_random(scores(dm=12.0), "dm") is None
    assert below_random(None, "dm") is None
    assert below_random(scores(dm=12.0, random=14.6), "random") is None


def test_random_images_of_the_same_form_are_compared():
    assert below_random(scores(**{"dm": 12.0, "random (tiles)": 14.6}), "dm") == (12.0, 14.6)
    assert below_random(scores(**{"dm": 15.0, "random (tiles)": 14.6}), "dm") is None


def test_the_rate_comes_first_where_it_is_too_large_for_the_network():
    first, second, third = what_to_try(DM(lr=1.0, networks=Fresh(NETWORKS["resnet18-ap"])))
    assert first.startswith("method.lr=0.01 (now 1)")
    assert second.startswith("method.networks.spec=convnet")
    assert third == "method.steps=200000 (now 20000)"


def test_a_rate_that_suits_may_still_be_lowered():
    assert what_to_try(DM(lr=0.05))[0].startswith("method.lr=0.005 (now 0.05)")
    assert what_to_try(Random()) == []


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_called_by_its_name(name):
    assert network_label(NETWORKS[name]) == name


def test_a_changed_network_says_what_is_changed():
    assert network_label(replace(ConvNet(), width=8, norm="batch")) == "convnet, width 8, norm batch"


def test_of_sets_from_generators_no_setting_is_advised_that_they_have_not():
    (line,) = what_to_try(GMMN())
    assert line.startswith("method=dm:")


def test_steps_that_are_no_setting_are_not_advised():
    assert not [line for line in what_to_try(Herding()) if line.startswith("method.steps")]


def test_of_the_best_of_several_sets_their_method_counts():
    method = BestOf(DM(steps=10, lr=0.5, networks=Fresh(ConvNet(width=8))), sets=2)
    assert [line.split("=")[0] for line in what_to_try(method)] == ["method.of.lr", "method.of.networks.spec", "method.of.steps"]


def test_sets_made_for_another_evaluation_are_sent_to_it():
    assert [line.split(":")[0] for line in what_to_try(KIP())] == ["condense ridge FOLDER"]
    assert [line.split(":")[0] for line in what_to_try(BestOf(KIP()))] == ["condense ridge FOLDER"]
    assert [line.split(":")[0] for line in what_to_try(GTN())] == ["condense teach FOLDER"]


def test_residual_networks_are_named_only_where_another_network_is_used():
    assert "ResNets" in what_to_try(DM(networks=Fresh(NETWORKS["resnet18-ap"])))[0]
    assert not [line for method in (DM(), PixelMMD()) for line in what_to_try(method) if "ResNets" in line]
