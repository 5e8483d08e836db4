import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from condensation import load
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.rng import Rng
from condensation.data.settings import DataSettings
from condensation.methods.step_info import Stopped
from condensation.networks.convnet import ConvNet
from condensation.studies.registry import THEORY
from condensation.studies.tasks import Watch
from condensation.studies.theory.study import TheorySettings, losses, rank_correlation
from tests.studies.stopping import stop_at

SETTINGS = TheorySettings(
    data=DataSettings("digits"),
    network=ConvNet(width=8),
    networks=2,
    epochs=(0, 1, 2),
    pairs=4,
    ipc=2,
    batch_per_class=5,
    compute=Compute("cpu", "float64", compile="never"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "theory"
    THEORY.run(SETTINGS, folder)
    return folder


@pytest.fixture(scope="module")
def drawn():
    """A network, real images, a subset to learn and one to match, in float64."""
    real = load("digits").train
    network = ConvNet(width=8).build(real.shape, real.num_classes, Rng(0)).double()
    small = real.draw(2, Rng(1))
    images = real.inputs(small.indices).double().requires_grad_()
    return network, images, real, real.labels[small.indices], real.draw(5, Rng(2))


def never(*_):
    raise AssertionError("work was done")


def test_zero_head_makes_both_losses_proportional(drawn):
    of_features, of_gradients = losses(*drawn, zero=True)
    torch.testing.assert_close(of_gradients, 0.9 * of_features, rtol=1e-12, atol=0)


def test_last_layer_gradient_loss_equals_that_of_autograd(drawn):
    """Class by class, through the whole network, by the gradient of the loss in the last layer's weights."""
    network, images, real, labels, draw = drawn
    expected = 0.0
    for row, label in enumerate(draw.classes):
        gradients = []
        for batch in (images[labels == label], real.inputs(draw.indices[draw.class_index == row]).double()):
            loss = F.cross_entropy(network(batch), torch.full((len(batch),), label))
            gradients += torch.autograd.grad(loss, network.classifier.weight)
        expected += float((gradients[0] - gradients[1]).square().sum())
    assert float(losses(*drawn, zero=False)[1].detach()) == pytest.approx(expected, rel=1e-10)


def test_rank_correlation_depends_only_on_order():
    assert rank_correlation([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(1 - 6 * 4 / (4 * 15))  # Spearman's formula


def test_a_network_is_measured_before_and_during_training(finished):
    measured = json.loads((finished / "theory.json").read_text())
    assert [[entry["after"] for entry in by_label] for by_label in measured["networks"]] == [["head of zeros", 0, 1, 2]] * 2
    assert [entry["after"] for entry in measured["means"]] == ["head of zeros", 0, 1, 2]
    zero, untrained = measured["means"][:2]
    assert (zero["rank_correlation"], zero["cosine"]) == (pytest.approx(1), pytest.approx(1))
    assert 0.9 < untrained["cosine"] < 1
    of_both = [[entry[2]["cosines"] for entry in measured["networks"]], [entry[0]["feature_losses"] for entry in measured["networks"]]]
    assert all(np.shape(numbers) == (2, 4) for numbers in of_both)
    assert measured["networks"][0] != measured["networks"][1]
    assert (finished / "theory.png").read_bytes().startswith(b"\x89PNG")


def test_measuring_changes_no_training(finished, tmp_path):
    THEORY.run(replace(SETTINGS, networks=1, epochs=(2,), pairs=3), tmp_path / "t")
    (ours,) = json.loads((tmp_path / "t" / "theory.json").read_text())["networks"]
    theirs = json.loads((finished / "theory.json").read_text())["networks"][0]
    assert ours[-1]["accuracy"] == theirs[-1]["accuracy"]
    assert ours[-1]["feature_losses"] == theirs[-1]["feature_losses"][:3]


def test_interrupted_measurement_resumes_to_the_same_files(finished, tmp_path):
    stop = stop_at(3)
    with pytest.raises(Stopped):
        THEORY.run(SETTINGS, tmp_path / "t", Watch(on_progress=stop))
    assert len(json.loads((tmp_path / "t" / "theory.json").read_text())["networks"]) == 1
    before = (tmp_path / "t" / "networks" / "0.json").stat().st_mtime_ns
    THEORY.run(SETTINGS, tmp_path / "t")
    assert (tmp_path / "t" / "networks" / "0.json").stat().st_mtime_ns == before
    for name in ("theory.json", "theory.png"):
        assert (tmp_path / "t" / name).read_bytes() == (finished / name).read_bytes()


def test_a_finished_measurement_is_not_done_again(finished):
    before = (finished / "theory.json").read_bytes()
    THEORY.run(SETTINGS, finished, Watch(on_progress=never))
    assert (finished / "theory.json").read_bytes() == before
    assert THEORY.settings_in(finished) == SETTINGS


def test_other_settings_in_the_same_folder_raise(finished, tmp_path):
    with pytest.raises(CondensationError, match="pairs is 4 there, 5 here"):
        THEORY.run(replace(SETTINGS, pairs=5), finished)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CondensationError) as error:
        THEORY.run(SETTINGS, tmp_path)
    assert TheorySettings.noun in error.value.message


@pytest.mark.parametrize("change", [{"networks": 0}, {"pairs": 2}, {"ipc": 0}, {"epochs": ()}, {"epochs": (3, 1)}, {"epochs": (-1, 1)}])
def test_impossible_settings_raise(change):
    with pytest.raises(CondensationError):
        replace(SETTINGS, **change)
