"""Networks trained together are networks trained one at a time."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from condensation import DSA, Compute, ConvNet, ImageSet, NetworkSpec, Recipe, Rng, Seeded, evaluate
from condensation.learners import Alone, Learners, Stacked, can_be_stacked, learners_of
from condensation.networks import NETWORKS, Classifier
from condensation.networks.mlp import MLP
from condensation.training import class_accuracies, train_together
from tests.small import CPU, images

EXACT = Compute(device="cpu", precision="float64", compile="never")
SHAPE = (3, 16, 16)
RECIPE = Recipe(epochs=3, batch=8, drop_after=1)


class Undecided(Classifier):
    """A network whose path depends on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3 * 16 * 16, 3)

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1) if float(images.sum()) > 0 else -images.flatten(1)


@dataclass(frozen=True)
class UndecidedSpec(NetworkSpec):
    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return Undecided()


def double(spec: NetworkSpec) -> Classifier:
    return spec.build(SHAPE, 3, Rng(5)).double()


def learned(learners: Learners, sets: list[ImageSet], places: list[int], recipe: Recipe = RECIPE) -> list[Tensor]:
    rngs = [Rng(0).child(place) for place in places]
    learners.begin([rng.child("network") for rng in rngs])
    train_together(learners, sets, recipe, [rng.child("train") for rng in rngs])
    return [parameter.detach().clone() for parameter in learners.parameters()]


@pytest.mark.parametrize(
    "spec",
    [ConvNet(width=4), ConvNet(width=4, norm="none", pooling="max"), ConvNet(width=4, norm="group"), ConvNet(width=4, norm="layer"), MLP()],
)
@pytest.mark.parametrize("augmentation", [DSA(), None, Seeded(lambda pictures: pictures + torch.rand(1))])
def test_together_is_one_at_a_time(spec: NetworkSpec, augmentation: DSA | None) -> None:
    recipe = Recipe(epochs=3, batch=8, drop_after=1, augmentation=augmentation)
    sets = [images(4), images(4, seed=1), images(4, seed=2)]
    together = learned(Stacked(double(spec), 3, EXACT), sets, [0, 1, 2], recipe)
    for place, own in enumerate(sets):
        alone = learned(Alone(double(spec)), [own], [place], recipe)
        for one, stacked in zip(alone, together, strict=True):
            torch.testing.assert_close(stacked[place], one, rtol=1e-9, atol=1e-12)


def test_each_network_of_a_stack_is_tested_as_it_would_be_alone() -> None:
    spec, test = ConvNet(width=4), images([5, 9, 4], seed=7)
    stack = Stacked(double(spec), 2, EXACT)
    learned(stack, [images(4), images(4, seed=1)], [0, 1])
    counted = class_accuracies(stack, test, chunk=5)
    for place in (0, 1):
        alone = Alone(double(spec))
        learned(alone, [images(4, seed=place)], [place])
        assert torch.equal(class_accuracies(alone, test, chunk=100)[0], counted[place])


@pytest.mark.parametrize("together", [2, 3, 50])
def test_judging_together_counts_the_same(together: int) -> None:
    sets, test = [images(), images(seed=1), images(6)], images([5, 9, 4], seed=7)
    settings = {"network": ConvNet(width=4), "recipe": RECIPE, "networks": 2}
    one_by_one = evaluate(sets, test, **settings, compute=EXACT)  # type: ignore[arg-type]
    shown: list[tuple[int, int]] = []
    compute = Compute(device="cpu", precision="float64", compile="never", together=together)
    result = evaluate(sets, test, **settings, compute=compute, on_progress=lambda *done: shown.append(done))  # type: ignore[arg-type]
    assert np.array_equal(result.per_class, one_by_one.per_class)
    assert shown[-1] == (18, 18)
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    "spec", [ConvNet(width=4, norm="batch"), NETWORKS["alexnet"], UndecidedSpec()], ids=["batch norm", "alexnet", "own"]
)
def test_networks_that_cannot_be_stacked_are_trained_one_by_one(spec: NetworkSpec, caplog: pytest.LogCaptureFixture) -> None:
    test = images([2, 3, 2], seed=7)
    compute = Compute(**CPU, together=2)  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        result = evaluate(images(3), test, network=spec, recipe=Recipe(epochs=1), networks=2, compute=compute)
    plain = evaluate(images(3), test, network=spec, recipe=Recipe(epochs=1), networks=2, compute=Compute(**CPU))  # type: ignore[arg-type]
    assert np.array_equal(result.per_class, plain.per_class)


def test_what_cannot_be_stacked_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert not can_be_stacked(Undecided(), SHAPE)
    assert "Undecided cannot be stacked" in caplog.text
    assert can_be_stacked(ConvNet(width=4).build(SHAPE, 3, Rng(0)), SHAPE)


def test_what_was_compiled_is_kept_for_the_next_call() -> None:
    one = learners_of(ConvNet(width=4), SHAPE, 3, 1, EXACT)
    assert learners_of(ConvNet(width=4), SHAPE, 3, 1, EXACT) is one
    assert learners_of(ConvNet(width=5), SHAPE, 3, 1, EXACT) is not one
    assert learners_of(ConvNet(width=4, norm="batch"), SHAPE, 3, 4, EXACT) is learners_of(
        ConvNet(width=4, norm="batch"), SHAPE, 3, 1, EXACT
    )


def test_threads_do_not_share_networks() -> None:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(learners_of, ConvNet(width=4), SHAPE, 3, 1, EXACT).result()
    assert learners_of(ConvNet(width=4), SHAPE, 3, 1, EXACT) is not other


@dataclass(frozen=True)
class Unhashable(NetworkSpec):
    """A person's own architecture, with a setting that has no hash."""

    widths: list[int] = field(default_factory=list)

    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return ConvNet(width=4).layers(image_shape, num_classes)


def test_an_architecture_without_a_hash_is_judged_all_the_same() -> None:
    settings = {"recipe": RECIPE, "networks": 2, "compute": EXACT}
    own = evaluate(images(), images(seed=7), network=Unhashable(), **settings)  # type: ignore[arg-type]
    assert np.array_equal(own.values, evaluate(images(), images(seed=7), network=ConvNet(width=4), **settings).values)  # type: ignore[arg-type]


@pytest.mark.slow
def test_compiled_together_is_plain_but_for_rounding() -> None:
    sets = [images(4), images(4, seed=1)]
    plain = learned(Stacked(ConvNet(width=4).build(SHAPE, 3, Rng(0)), 2, Compute(**CPU)), sets, [0, 1])  # type: ignore[arg-type]
    always = Compute(device="cpu", precision="float32", compile="always")
    compiled = learned(Stacked(ConvNet(width=4).build(SHAPE, 3, Rng(0)), 2, always), sets, [0, 1])
    for one, other in zip(plain, compiled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
