"""Best of several sets, class by class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from condensation import KIP, BestOf, Compute, CondensationError, ConvNet, ImageSet, Method, Random, Recipe, Rng, StepInfo, condense
from condensation.methods.base import State
from condensation.methods.initialization import from_real_images
from condensation.methods.step_info import Diverged
from condensation.methods.synthetic import SyntheticImages
from tests.small import CPU, dm, images

COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
QUICK = {"eval_network": ConvNet(width=8), "recipe": Recipe(epochs=8, lr=0.05, augmentation=None)}


def best_of(**settings: object) -> BestOf:
    return BestOf(**{"of": dm(), "sets": 3, "mixtures": 6, "eval_per_class": 5, **QUICK, **settings})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Planted(Method):
    """Set number k has real images of the classes with label % sets == k, and images of a wrong class otherwise."""

    sets: int

    @property
    def steps(self) -> int:
        return 0

    def init(self, real: ImageSet, ipc: dict[int, int], rng: Rng, compute: Compute) -> State:
        start = from_real_images(real, ipc, rng)
        number = rng.path[-1]
        other = torch.cat([torch.roll(start.images, -2, 0)[start.labels == label] for label in ipc])
        good = (start.labels % self.sets == number)[:, None, None, None]
        return State(SyntheticImages(replace(start, images=torch.where(good, start.images, other))))

    def step(self, state: State, real: ImageSet, rng: Rng) -> torch.Tensor:
        raise AssertionError("it has no steps")


@pytest.mark.parametrize(
    ("sets", "mixtures", "rounds"),
    [
        (8, 192, [(8, 8), (4, 16), (2, 32)]),
        (5, 30, [(5, 2), (3, 3), (2, 5)]),
        (2, 1, [(2, 1)]),
        (1, 10, []),
    ],
)
def test_rounds_halve_the_candidates(sets: int, mixtures: int, rounds: list[tuple[int, int]]) -> None:
    method = best_of(sets=sets, mixtures=mixtures)
    assert method.rounds == rounds
    assert method.steps == 4 * sets + sum(groups for _, groups in rounds)


def test_each_class_comes_from_the_set_with_the_best_accuracy() -> None:
    seen: list[StepInfo] = []
    real = images(classes=4, per_class=20)
    small = condense(best_of(of=Planted(4), sets=4, mixtures=48, eval_per_class=10), real, 2, compute=COMPUTE, observers=[seen.append])
    assert seen[-1].state.card() == {"chosen": {"0": 0, "1": 1, "2": 2, "3": 3}}
    inputs = real.inputs()
    for image, label in zip(small.images, small.labels, strict=True):  # each is a real one of its own class
        assert bool((inputs[real.labels == label] == image).flatten(1).all(1).any())


def test_sets_differ_and_are_mixed_by_class() -> None:
    made: list[torch.Tensor] = []

    def keep(info: StepInfo) -> None:
        made[:] = info.state.made  # type: ignore[attr-defined]

    seen: list[StepInfo] = []
    small = condense(best_of(), images(), 2, compute=COMPUTE, observers=[keep, seen.append])
    assert len(made) == 3
    assert not torch.equal(made[0], made[1])
    chosen = seen[-1].state.card()["chosen"]
    for row, (name, number) in enumerate(chosen.items()):
        assert name == str(row)
        assert torch.equal(small.images[small.labels == row], made[number][small.labels == row])


def test_a_single_set_is_the_result_of_the_inner_method() -> None:
    seen: list[StepInfo] = []
    small = condense(best_of(sets=1), images(), 2, compute=COMPUTE, observers=[seen.append])
    assert small.counts == {0: 2, 1: 2, 2: 2}
    assert torch.equal(small.images, seen[-1].state.made[0])  # type: ignore[attr-defined]
    assert {info.phase[0] for info in seen} == {"condensing"}


def test_observers_see_the_phases() -> None:
    seen: list[tuple[str, int, int]] = []
    condense(best_of(), images(), 2, compute=COMPUTE, observers=[lambda info: seen.append(info.phase)])
    assert seen[:2] == [("condensing", 0, 12), ("condensing", 1, 12)]
    assert seen[11:] == [("condensing", 11, 12), ("choosing", 0, 3), ("choosing", 1, 3), ("choosing", 2, 3), ("choosing", 3, 3)]


def test_small_classes_are_tested_on_all_their_images() -> None:
    assert condense(best_of(of=Random()), images([4, 12, 7]), 2, compute=COMPUTE).counts == {0: 2, 1: 2, 2: 2}


def test_soft_labels_are_refused() -> None:
    with pytest.raises(CondensationError) as raised:
        condense(best_of(of=KIP(steps=1, batch=9)), images(), 2, compute=COMPUTE)
    assert raised.value.setting == "method.of"


def test_divergence_names_the_learning_rate_of_the_inner_method() -> None:
    with pytest.raises(Diverged) as raised:
        condense(best_of(of=dm(lr=1e30, steps=9)), images(), 2, compute=COMPUTE)
    assert raised.value.setting == "method.of.lr"
    assert "1e+30" in raised.value.hint
