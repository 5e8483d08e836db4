"""Herding, k-center and forgetting against slow definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st
from torch import Tensor

from condensation import DSA, Checkpoint, Compute, ConvNet, Forgetting, Herding, ImageSet, KCenter, Recipe, Rng, StepInfo, condense
from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.methods.forgetting import NeverRight, most_forgotten
from condensation.methods.herding import herd
from condensation.methods.k_center import greedy_centers
from condensation.methods.trained_selection import SelectionState, TrainedSelection, class_features
from tests.small import CPU, TRAINED, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
DOUBLE = Compute(device="cpu", precision="float64", compile="never")
KINDS = [Herding, KCenter, Forgetting]
SEEDS = st.integers(0, 2**32 - 1)


def sample(seed: int, count: int, dims: int = 5) -> Tensor:
    return torch.randn(count, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def slow_herding(features: np.ndarray, count: int) -> list[int]:
    """The definition: the unused feature nearest (i + 1) * mean - sum of those chosen."""
    mean, chosen = features.mean(0), list[int]()
    for i in range(count):
        target = (i + 1) * mean - sum((features[j] for j in chosen), np.zeros_like(mean))
        chosen.append(min((j for j in range(len(features)) if j not in chosen), key=lambda j: float(np.linalg.norm(features[j] - target))))
    return chosen


def slow_centers(features: np.ndarray, count: int) -> list[int]:
    """The definition: the nearest to the mean, then the farthest from the nearest of those chosen."""
    chosen = [int(np.linalg.norm(features - features.mean(0), axis=1).argmin())]
    while len(chosen) < count:
        others = [j for j in range(len(features)) if j not in chosen]
        chosen.append(max(others, key=lambda j: min(float(np.linalg.norm(features[j] - features[k])) for k in chosen)))
    return chosen


@given(SEEDS, st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_herding_equals_its_definition(seed: int, count: int) -> None:
    features = sample(seed, 20) + 3  # not around zero, as features after a ReLU
    assert herd(features, count).tolist() == slow_herding(features.numpy(), count)


@given(SEEDS, st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_k_center_equals_its_definition(seed: int, count: int) -> None:
    features = sample(seed, 20) + 3
    assert greedy_centers(features, count).tolist() == slow_centers(features.numpy(), count)


def test_herding_of_five_points_on_a_line() -> None:
    # The mean is 3: first 2. Then 2 * 3 - 2 = 4 is wanted: 5. Then 3 * 3 - 7 = 2: 1.
    points = column(0, 1, 2, 5, 7)
    assert herd(points, 3).tolist() == [2, 3, 1]
    assert sorted(herd(points, 5).tolist()) == [0, 1, 2, 3, 4]


def test_k_center_of_five_points_on_a_line() -> None:
    # The mean is 3: first 2. The farthest from it is 7; from these two then 0 and 5, both at 2, of which the first is taken.
    assert greedy_centers(column(0, 1, 2, 5, 7), 4).tolist() == [2, 4, 0, 3]


@pytest.mark.parametrize("choose", [herd, greedy_centers])
def test_identical_images_are_each_chosen_once(choose) -> None:  # type: ignore[no-untyped-def]
    assert sorted(choose(torch.ones(6, 3), 6).tolist()) == list(range(6))


def test_herding_follows_the_mean_better_than_chance() -> None:
    features = sample(0, 500, 20)
    mean = features.mean(0)
    chance = torch.stack([(features[Rng(seed).permutation(500)[:10]].mean(0) - mean).norm() for seed in range(20)])
    assert float((features[herd(features, 10)].mean(0) - mean).norm()) < 0.5 * float(chance.min())


def test_k_center_covers_better_than_chance() -> None:
    features = sample(0, 500, 3)
    chance = min(float(torch.cdist(features, features[Rng(seed).permutation(500)[:10]]).amin(1).max()) for seed in range(20))
    assert float(torch.cdist(features, features[greedy_centers(features, 10)]).amin(1).max()) < chance


@pytest.mark.parametrize(("never_right", "order"), [("counted", [1, 4, 3]), ("first", [2, 1, 4])])
def test_the_most_forgotten_come_first(never_right: NeverRight, order: list[int]) -> None:
    real = images(per_class=[5, 1])
    method = Forgetting(**TRAINED, never_right=never_right)  # type: ignore[arg-type]
    state = method.init(real, {0: 3, 1: 1}, Rng(0), COMPUTE)
    state.record["forgotten"] = torch.tensor([0, 3, 0, 1, 2, 0])
    state.record["learned"] = torch.tensor([True, True, False, True, True, True])
    for seed in range(3):
        assert method.choose(state, real, 0, 3, Rng(seed)).tolist() == order


def test_ties_in_forgetting_are_broken_at_random() -> None:
    nothing = torch.zeros(50, dtype=torch.int64)
    first, second = (most_forgotten(nothing, 50, Rng(seed)) for seed in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, most_forgotten(nothing, 50, Rng(0)))
    assert sorted(first.tolist()) == list(range(50))


def test_forgetting_counts_changes_from_right_to_wrong() -> None:
    real, method = images(per_class=[2, 1]), Forgetting(**TRAINED)  # type: ignore[arg-type]
    state = method.init(real, {0: 1, 1: 1}, Rng(0), COMPUTE)
    # What is said of the three images (of the classes 0, 0, 1) when they are seen for the first time, the second, ...
    for said in ([0, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 1]):
        method.observe(state, real, torch.tensor([2, 0, 1]), F.one_hot(torch.tensor([said[2], said[0], said[1]]), 2).float())
    assert state.record["forgotten"].tolist() == [2, 0, 0]
    assert state.record["learned"].tolist() == [True, False, True]
    assert method.choose(state, real, 0, 2, Rng(0)).tolist() == [0, 1]


def in_the_end(method: TrainedSelection, real: ImageSet, compute: Compute = COMPUTE) -> SelectionState:
    states: list[SelectionState] = []

    def keep(info: StepInfo) -> None:
        assert isinstance(info.state, SelectionState)
        states.append(info.state)

    condense(method, real, 1, compute=compute, observers=[keep])
    return states[-1]


def test_herding_and_k_center_use_the_same_network() -> None:
    real = images()
    one, other = (in_the_end(kind(**TRAINED), real).model.network.state_dict() for kind in (Herding, KCenter))  # type: ignore[arg-type]
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_and_forgetting_equal_a_plain_loop() -> None:
    """The plain loop in float64: SGD with momentum, a drop, weight decay and augmentation; predictions precede each update."""
    real = images()
    recipe = Recipe(epochs=6, lr=0.5, batch=10)
    state = in_the_end(Forgetting(ConvNet(width=4), recipe), real, DOUBLE)
    network = ConvNet(width=4).build(real.shape, 3, Rng(0).child("init", "network")).double()
    velocity = [torch.zeros_like(parameter) for parameter in network.parameters()]
    right_before, forgotten, learned = [False] * len(real), [0] * len(real), [False] * len(real)
    for epoch in range(6):
        rng = Rng(0).child("step", epoch)
        for number, places in enumerate(rng.child("order", epoch).permutation(len(real)).split(10)):
            seen = DSA().per_image(len(places), rng.child("augment", epoch, number))(
                real.inputs(places).double(), torch.arange(len(places))
            )
            logits = network(seen)
            for place, said in zip(places.tolist(), logits.argmax(1).tolist(), strict=True):
                right = said == int(real.labels[place])
                forgotten[place] += right_before[place] and not right
                learned[place] |= right
                right_before[place] = right
            gradients = torch.autograd.grad(F.cross_entropy(logits, real.labels[places]), list(network.parameters()))
            with torch.no_grad():
                for parameter, gradient, speed in zip(network.parameters(), gradients, velocity, strict=True):
                    speed.mul_(0.9).add_(gradient + 5e-4 * parameter)
                    parameter -= (0.5 if epoch < 3 else 0.05) * speed
    torch.testing.assert_close(list(state.model.network.parameters()), list(network.parameters()))
    assert state.record["forgotten"].tolist() == forgotten
    assert state.record["learned"].tolist() == learned
    assert 0 < sum(forgotten)


@pytest.mark.parametrize("kind", [Herding, KCenter])
def test_chunks_do_not_change_features(kind: type[TrainedSelection]) -> None:
    real = images(per_class=[9, 4, 11])
    state = in_the_end(kind(ConvNet(width=4, norm="batch"), Recipe(epochs=2, batch=8)), real, DOUBLE)
    state.model.train(False)
    expected = state.model.network.embed(real.inputs()[13:].double())
    for chunk in (1, 3, 100):
        torch.testing.assert_close(class_features(replace(state, chunk=chunk), real, 2), expected)
    assert not class_features(state, real, 2).requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_choice_is_the_beginning_of_a_larger_one(kind: type[TrainedSelection]) -> None:
    real, method = images(), kind(**TRAINED)  # type: ignore[arg-type]
    many = condense(method, real, 5, compute=COMPUTE).images.view(3, 5, *real.shape)
    for ipc in (1, 3):
        few = condense(method, real, ipc, compute=COMPUTE).images.view(3, ipc, *real.shape)
        assert torch.equal(few, many[:, :ipc])


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_real_images_of_the_class_are_chosen(kind: type[TrainedSelection]) -> None:
    real = images()
    chosen = condense(kind(**TRAINED), real, 12, compute=COMPUTE)  # type: ignore[arg-type]
    for label in real.classes:
        of_class = {image.numpy().tobytes() for image in chosen.select([label]).images}
        assert of_class == {image.numpy().tobytes() for image in real.select([label]).inputs()}


def test_a_finished_run_does_not_train_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, method = images(), Herding(**TRAINED)  # type: ignore[arg-type]
    first = condense(method, real, 2, compute=COMPUTE, checkpoint=Checkpoint(tmp_path / "checkpoint"))
    monkeypatch.setattr("condensation.methods.trained_selection.train_epoch", None)
    again = condense(method, real, 2, compute=COMPUTE, checkpoint=Checkpoint(tmp_path / "checkpoint"))
    assert torch.equal(first.images, again.images)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_come_back(kind: type[TrainedSelection]) -> None:
    from condensation import Method

    method = kind(ConvNet(width=16), Recipe(epochs=3, augmentation=None))
    assert from_dict(Method, to_dict(method)) == method  # type: ignore[type-abstract]
