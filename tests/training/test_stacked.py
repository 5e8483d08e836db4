"""Stacked networks train as single networks do."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from condensation import DSA, Compute, ConvNet, ImageSet, NetworkSpec, Recipe, Rng, Seeded, evaluate
from condensation.networks.base import Classifier
from condensation.networks.mlp import MLP
from condensation.training.stacked import ModelBatch, SingleModel, StackedModels, can_be_stacked, model_cache
from condensation.training.train import class_accuracies, train_together
from condensation.training.train_and_test import TrainingJob, train_and_test
from tests.small import CPU, images

EXACT = Compute(device="cpu", precision="float64", compile="never")
SHAPE = (3, 16, 16)
RECIPE = Recipe(epochs=3, batch=8, lr_drop_epoch=1)


class Undecided(Classifier):
    """A network with data-dependent control flow."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3 * 16 * 16, 3)

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1) if float(images.sum()) > 0 else -images.flatten(1)


class Dropping(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.drop, self.classifier = nn.Dropout(0.3), nn.Linear(3 * 16 * 16, 3)

    def embed(self, images: Tensor) -> Tensor:
        dropped: Tensor = self.drop(images.flatten(1))
        return dropped


@dataclass(frozen=True)
class DroppingSpec(NetworkSpec):
    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return Dropping()


@dataclass(frozen=True)
class UndecidedSpec(NetworkSpec):
    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return Undecided()


class Counting(Classifier):
    """A network with a buffer that no norm resets and a fixed parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.fixed = nn.Parameter(torch.ones(768), requires_grad=False)
        self.classifier = nn.Linear(768, 3)

    def reset_parameters(self) -> None:
        pass

    def embed(self, images: Tensor) -> Tensor:
        self.seen += float(self.training)
        return images.flatten(1) * self.fixed / (1 + self.seen)


@dataclass(frozen=True)
class CountingSpec(NetworkSpec):
    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return Counting()


def double(spec: NetworkSpec) -> Classifier:
    return spec.build(SHAPE, 3, Rng(5)).double()


def learned(models: ModelBatch, sets: list[ImageSet], places: list[int], recipe: Recipe = RECIPE) -> list[Tensor]:
    rngs = [Rng(0).child(place) for place in places]
    models.reinitialize([rng.child("network") for rng in rngs])
    train_together(models, sets, recipe, [rng.child("train") for rng in rngs])
    return [parameter.detach().clone() for parameter in models.parameters()]


@pytest.mark.parametrize(
    "spec",
    [
        ConvNet(width=4),
        ConvNet(width=4, norm="none", pooling="max"),
        ConvNet(width=4, norm="group"),
        ConvNet(width=4, norm="layer"),
        ConvNet(width=4, norm="batch"),
        MLP(),
    ],
)
@pytest.mark.parametrize("augmentation", [DSA(), None, Seeded(lambda pictures: pictures + torch.rand(1))])
def test_stacked_training_equals_single_training(spec: NetworkSpec, augmentation: DSA | None) -> None:
    recipe = Recipe(epochs=3, batch=8, lr_drop_epoch=1, augmentation=augmentation)
    sets = [images(4), images(4, seed=1), images(4, seed=2)]
    together = learned(StackedModels(double(spec), 3, EXACT), sets, [0, 1, 2], recipe)
    for place, own in enumerate(sets):
        alone = learned(SingleModel(double(spec)), [own], [place], recipe)
        for one, stacked in zip(alone, together, strict=True):
            torch.testing.assert_close(stacked[place], one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("spec", [ConvNet(width=4), ConvNet(width=4, norm="batch")], ids=["instance norm", "batch norm"])
def test_stacked_accuracies_equal_single_ones(spec: NetworkSpec) -> None:
    test = images([5, 9, 4], seed=7)
    stack = StackedModels(double(spec), 2, EXACT)
    learned(stack, [images(4), images(4, seed=1)], [0, 1])
    counted = class_accuracies(stack, test, chunk=5)
    for place in (0, 1):
        alone = SingleModel(double(spec))
        learned(alone, [images(4, seed=place)], [place])
        assert torch.equal(class_accuracies(alone, test, chunk=100)[0], counted[place])


@pytest.mark.parametrize("together", [2, 3, 50])
def test_evaluating_together_gives_the_same_scores(together: int) -> None:
    sets, test = [images(), images(seed=1), images(6)], images([5, 9, 4], seed=7)
    settings = {"network": ConvNet(width=4), "recipe": RECIPE, "networks": 2}
    one_by_one = evaluate(sets, test, **settings, compute=EXACT)  # type: ignore[arg-type]
    shown: list[tuple[int, int]] = []
    compute = Compute(device="cpu", precision="float64", compile="never", together=together)
    result = evaluate(sets, test, **settings, compute=compute, on_progress=lambda *done: shown.append(done))  # type: ignore[arg-type]
    assert np.array_equal(result.per_class, one_by_one.per_class)
    assert shown[-1] == (18, 18)
    assert shown == sorted(shown)


def test_groups_are_halved_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def train_small_groups(models: ModelBatch, *arguments: object) -> None:
        sizes.append(models.count)
        if models.count > 2:
            raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr("condensation.training.train_and_test.train_together", train_small_groups)
    jobs = [TrainingJob(images(), Rng(number)) for number in range(6)]
    compute = Compute(**CPU, together=6)  # type: ignore[arg-type]
    (fractions,), _, finite = train_and_test(ConvNet(width=4), jobs, [images(seed=7)], RECIPE, compute)
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1]
    assert fractions.shape == (6, 3)
    assert finite == [True] * 6


@pytest.mark.parametrize("spec", [CountingSpec(), DroppingSpec(), UndecidedSpec()], ids=["statistics", "dropout", "own"])
def test_networks_without_vmap_support_are_trained_one_by_one(spec: NetworkSpec) -> None:
    test = images([20, 30, 20], seed=7)
    compute = Compute(**CPU, together=2)  # type: ignore[arg-type]
    with model_cache(spec, SHAPE, 3, compute) as cache:
        assert cache.batch(2).count == 1
    result = evaluate(images(3), test, network=spec, recipe=Recipe(epochs=1), networks=2, compute=compute)
    plain = evaluate(images(3), test, network=spec, recipe=Recipe(epochs=1), networks=2, compute=Compute(**CPU))  # type: ignore[arg-type]
    assert np.array_equal(result.per_class, plain.per_class)


def test_the_log_names_networks_that_cannot_be_stacked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert not can_be_stacked(Undecided(), SHAPE)
    assert "Undecided cannot be stacked" in caplog.text
    assert can_be_stacked(ConvNet(width=4).build(SHAPE, 3, Rng(0)), SHAPE)


def test_the_cache_is_reused_by_the_next_call() -> None:
    with model_cache(ConvNet(width=4), SHAPE, 3, EXACT) as one:
        pass
    with model_cache(ConvNet(width=4), SHAPE, 3, EXACT) as again:
        assert again is one
        assert again.batch(3) is again.batch(3)
    with model_cache(ConvNet(width=5), SHAPE, 3, EXACT) as other:
        assert other is not one


def test_a_cache_serves_one_caller_at_a_time() -> None:
    with model_cache(ConvNet(width=4), SHAPE, 3, EXACT) as one, model_cache(ConvNet(width=4), SHAPE, 3, EXACT) as other:
        assert one is not other


def test_nested_evaluations_do_not_interfere() -> None:
    settings = {"network": ConvNet(width=4), "recipe": RECIPE, "networks": 2, "compute": EXACT}
    inner: list[float] = []
    observe = lambda done, epochs: inner.append(evaluate(images(seed=3), images(seed=7), **settings).mean)  # type: ignore[arg-type]  # noqa: E731
    outer = evaluate(images(), images(seed=7), **settings, on_progress=observe)  # type: ignore[arg-type]
    assert np.array_equal(outer.values, evaluate(images(), images(seed=7), **settings).values)  # type: ignore[arg-type]
    assert len(set(inner)) == 1


@dataclass(frozen=True)
class Unhashable(NetworkSpec):
    """A user's architecture with an unhashable setting."""

    widths: list[int] = field(default_factory=list)

    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return ConvNet(width=4).layers(image_shape, num_classes)


class Undecorated(NetworkSpec):
    """A user's architecture that inherits its equality."""

    def __init__(self, width: int) -> None:
        object.__setattr__(self, "width", width)

    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return ConvNet(width=self.width).layers(image_shape, num_classes)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("spec", "width"), [(Unhashable(), 4), (Undecorated(4), 4), (Undecorated(6), 6)])
def test_user_architectures_are_not_confused(spec: NetworkSpec, width: int) -> None:
    settings = {"recipe": RECIPE, "networks": 2, "compute": EXACT}
    own = evaluate(images(), images(40, seed=7), network=spec, **settings)  # type: ignore[arg-type]
    assert np.array_equal(own.values, evaluate(images(), images(40, seed=7), network=ConvNet(width=width), **settings).values)  # type: ignore[arg-type]


class Fixed(Counting):
    def __init__(self) -> None:
        super().__init__()
        del self.seen

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.fixed


class InPlace(Fixed):
    """A network that vmap supports with a batch per network, but not with a shared batch."""

    def embed(self, images: Tensor) -> Tensor:
        features = images.flatten(1).clone()
        features += self.fixed
        return features


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("spec", [CountingSpec(), ConvNet(width=4, norm="batch")], ids=["own", "batch norm"])
def test_statistics_are_reset_between_networks(spec: NetworkSpec, together: int) -> None:
    compute = Compute(device="cpu", precision="float64", compile="never", together=together)
    scores = [evaluate(images(), images(40, seed=7), network=spec, recipe=RECIPE, networks=2, compute=compute) for _ in range(2)]
    assert np.array_equal(scores[0].per_class, scores[1].per_class)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_batch_norm_is_stacked_in_every_precision(precision: Literal["float32", "bfloat16"]) -> None:
    compute = Compute(device="cpu", precision=precision, compile="never")
    with model_cache(ConvNet(width=4, norm="batch"), SHAPE, 3, compute) as cache:
        stack = cache.batch(2)
        assert stack.count == 2
        learned(stack, [images(4), images(4, seed=1)], [0, 1])
        assert stack.are_finite() == [True, True]


def test_fixed_parameters_stay_fixed_in_a_stack() -> None:
    stack = StackedModels(Fixed().double(), 2, EXACT)
    learned(stack, [images(4), images(4, seed=1)], [0, 1])
    fixed, weight, _ = stack.parameters()
    assert torch.equal(fixed, torch.ones_like(fixed))
    assert not torch.equal(weight[0], weight[1])


def test_a_network_that_cannot_be_tested_stacked_is_not_stacked() -> None:
    assert can_be_stacked(Fixed(), SHAPE)
    assert not can_be_stacked(InPlace(), SHAPE)


@pytest.mark.slow
def test_compiling_a_stack_changes_rounding_only(caplog: pytest.LogCaptureFixture) -> None:
    sets = [images(4), images(4, seed=1)]
    plain = learned(StackedModels(ConvNet(width=4).build(SHAPE, 3, Rng(0)), 2, Compute(**CPU)), sets, [0, 1])  # type: ignore[arg-type]
    always = Compute(device="cpu", precision="float32", compile="always")
    with caplog.at_level(logging.WARNING):
        compiled = learned(StackedModels(ConvNet(width=4).build(SHAPE, 3, Rng(0)), 2, always), sets, [0, 1])
    assert not caplog.records
    for one, other in zip(plain, compiled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", [SingleModel, StackedModels])
def test_non_finite_weights_are_reported_per_network(kind: type[ModelBatch]) -> None:
    models = StackedModels(double(MLP()), 2, EXACT) if kind is StackedModels else SingleModel(double(MLP()))
    models.reinitialize([Rng(0), Rng(1)][: models.count])
    assert models.are_finite() == [True] * models.count
    with torch.no_grad():
        weight = models.parameters()[-1]
        weight.view(-1)[-1] = torch.inf
    assert models.are_finite() == [*[True] * (models.count - 1), False]
