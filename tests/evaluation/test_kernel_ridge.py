"""Kernel ridge regression on sets, in Python and by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from condensation import (
    KIP,
    Compute,
    CondensationError,
    CondensedSet,
    ImageSet,
    Random,
    SoftLabels,
    condense as condense_images,
    evaluate,
    load,
)
from condensation.core.plain import to_dict
from condensation.core.soft_labels import centred
from condensation.evaluation.kernel_ridge import regress, stable_lr, wide_recipe
from condensation.networks.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.networks.ntk.fully_connected import FullyConnected
from condensation.networks.ntk.gram import gram
from condensation.networks.ntk_wide import Wide
from tests.small import CPU, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
KERNEL = FullyConnected()


def test_accuracy_is_that_of_kernel_ridge_regression() -> None:
    small, test = images(per_class=3), images(per_class=[5, 10, 20], seed=1)
    accuracy = regress(small, test, kernel=KERNEL, reg=1e-3, compute=COMPUTE)
    x, y = small.inputs().double(), test.inputs().double()
    of_set = gram(KERNEL, x, x)
    ridge = 1e-3 * of_set.trace() / 9 * torch.eye(9, dtype=torch.float64)
    right = (gram(KERNEL, y, x) @ torch.linalg.solve(of_set + ridge, centred(small.labels, 3))).argmax(1) == test.labels
    assert accuracy.value == pytest.approx(100 * float(right.double().mean()))
    assert accuracy.per_class == pytest.approx({str(c): 100 * float(right[test.labels == c].double().mean()) for c in range(3)})


def test_soft_labels_replace_the_classes() -> None:
    small, test = images(per_class=3), images(seed=1)
    swapped = centred(small.labels, 3)[:, [1, 2, 0]]
    accuracy = regress(replace(small, soft_labels=SoftLabels(swapped)), test, kernel=KERNEL, compute=COMPUTE)
    assert regress(small, test, kernel=KERNEL, compute=COMPUTE).value > 60
    assert accuracy.value < 20


def test_soft_labels_for_another_loss_are_refused() -> None:
    small = replace(images(per_class=1), soft_labels=SoftLabels(torch.eye(3), "cross-entropy"))
    with pytest.raises(CondensationError, match=r"squared loss.*cross-entropy"):
        regress(small, images(), kernel=KERNEL, compute=COMPUTE)


def test_images_too_small_for_the_kernel_are_refused() -> None:
    with pytest.raises(CondensationError, match="8x8"):
        regress(images(shape=(1, 6, 6)), images(shape=(1, 6, 6)), kernel=PooledConvolutional(), compute=COMPUTE)


def test_training_diverges_beyond_the_stable_rate_and_not_below() -> None:
    """A network that is linear in its weights has the kernel exactly: gradient descent with momentum in its outputs."""
    small = images(per_class=4)
    x = small.inputs().double()
    kernel = gram(KERNEL, x, x)

    def error(lr: float) -> float:
        left, before = torch.ones(12, 3, dtype=torch.float64), torch.zeros(12, 3, dtype=torch.float64)
        for _ in range(600):
            before = 0.9 * before + kernel @ left / (12 * 3)
            left = left - lr * before
        return float(left.abs().max())

    stable = stable_lr(small, KERNEL, momentum=0.9)
    assert error(0.98 * stable) < 1.5
    assert error(1.02 * stable) > 10


@pytest.mark.slow
def test_a_wide_network_comes_close_to_its_kernel() -> None:
    data = load("digits")
    small = condense_images(KIP(steps=40, batch=200), data.train, 1, compute=COMPUTE)
    by_kernel = regress(small, data.train, kernel=KERNEL, compute=COMPUTE).value
    recipe = wide_recipe(small, KERNEL, epochs=400)
    by_network = evaluate(small, data.train, network=Wide(KERNEL, width=512), recipe=recipe, networks=2, compute=COMPUTE).mean
    bare = evaluate(
        small, data.train, network=Wide(KERNEL, width=512), recipe=replace(recipe, weight_decay=0), networks=2, compute=COMPUTE
    ).mean
    assert by_kernel > 85
    assert by_network > by_kernel - 8
    assert bare < by_network - 10  # it still has the random function of its initialization


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A set of KIP, as a run leaves it."""
    method, data = KIP(steps=3, batch=100, kernel=Convolutional(depth=1), reg=1e-5), load("digits")
    small = condense_images(method, data.train, 1, compute=COMPUTE)
    card = {"settings": {"data": {"source": "digits"}, "method": to_dict(method)}}
    CondensedSet(small, card).save(tmp_path / "kip.safetensors")
    return tmp_path / "kip.safetensors"


Command = Callable[..., tuple[int, str, str]]


def test_the_command_uses_the_kernel_of_the_set(condense: Command, saved: Path) -> None:
    code, out, _ = condense("ridge", saved, "--random", 1, "--json", "--device", "cpu")
    sets = json.loads(out)["sets"]
    assert code == 0
    assert list(sets) == [str(saved), f"random beside {saved}"]
    assert [(score["labels"], score["kernel"]["name"], score["kernel"]["depth"], score["reg"]) for score in sets.values()] == [
        ("soft", "conv", 1, 1e-5),
        ("classes", "conv", 1, 1e-5),
    ]
    data = load("digits")
    expected = regress(CondensedSet.load(saved).images, data.test, kernel=Convolutional(depth=1), reg=1e-5, compute=COMPUTE)
    assert sets[str(saved)]["mean"] == round(expected.value, 3)
    assert sets[str(saved)]["test"] == {"name": "digits", "images": len(data.test)}


def test_another_kernel_may_be_asked_for(condense: Command, saved: Path) -> None:
    code, out, _ = condense("ridge", saved, "--kernel", "fc", "kernel.depth=2", "reg=1e-4", "--json")
    (score,) = json.loads(out)["sets"].values()
    assert (code, score["kernel"]["name"], score["kernel"]["depth"], score["reg"]) == (0, "fc", 2, 1e-4)


def test_the_command_prints_a_table(condense: Command, saved: Path) -> None:
    code, out, _ = condense("ridge", saved, "-q")
    assert code == 0
    assert "conv, depth 1" in out
    assert "359 test images" in out


def test_a_set_of_another_method_is_evaluated_with_the_default_kernel(condense: Command, tmp_path: Path) -> None:
    small: ImageSet = condense_images(Random(), load("digits").train, 1, compute=COMPUTE)
    CondensedSet(small, {"settings": {"data": {"source": "digits"}, "method": {"name": "random"}}}).save(tmp_path / "a")
    code, out, _ = condense("ridge", tmp_path / "a", "--json")
    (score,) = json.loads(out)["sets"].values()
    assert (code, score["labels"], score["kernel"]["name"], score["reg"]) == (0, "classes", "fc", 1e-6)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ([], "run folder or a set"),
        (["nowhere"], "nowhere"),
        (["reg=-1"], "-1.0"),
        (["--kernel", "fcc"], "Did you mean 'fc'"),
    ],
)
def test_a_mistake_is_an_error_without_traceback(condense: Command, elsewhere: None, words: list[str], word: str) -> None:
    code, _, error = condense("ridge", *words)
    assert (code, "Traceback" in error) == (2, False)
    assert word in error


def test_evaluate_trains_networks_with_the_loss_of_the_soft_labels(condense: Command, saved: Path) -> None:
    words = ["evaluation.networks=1", "evaluation.network.width=4", "evaluation.recipe.epochs=3", "--device", "cpu", "--json"]
    code, out, _ = condense("evaluate", saved, *words)
    assert code == 0
    (score,) = json.loads(out)["sets"].values()
    assert score["loss"] == "squared"
    assert np.isfinite(score["mean"])
