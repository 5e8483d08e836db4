import random

import numpy as np
import pytest
import torch

from condensation.core.rng import Rng


def test_the_same_name_gives_the_same_numbers():
    assert torch.equal(Rng(3).child("a", 1).normal((4, 5)), Rng(3).child("a").child(1).normal((4, 5)))


def test_repeating_or_reordering_draws_changes_nothing():
    rng = Rng(0)
    first, second = rng.child("a").normal((8,)), rng.child("b").normal((8,))
    assert torch.equal(rng.child("b").normal((8,)), second)
    assert torch.equal(rng.child("a").normal((8,)), first)


@pytest.mark.parametrize("other", [Rng(1), Rng(0, ("a",)), Rng(0, (1,)), Rng(0, ("1",)), Rng(0, ("a", 1)), Rng(0, ("a1",)), Rng(-1)])
def test_other_names_give_other_numbers(other):
    assert not torch.equal(Rng(0).normal((8,)), other.normal((8,)))
    assert Rng(0).integer() != other.integer()


def test_streams_are_uncorrelated():
    streams = torch.stack([Rng(0).child("step", step).normal((4000,)) for step in range(20)])
    correlation = torch.corrcoef(streams) - torch.eye(20)
    assert correlation.abs().max() < 0.08  # five standard errors
    assert abs(float(streams.mean())) < 0.02
    assert abs(float(streams.std()) - 1) < 0.02


def test_numbers_stay_what_they_are():
    """A change here changes every published run."""
    assert Rng(0).child("step", 41).integer() == 7_623_881_277_433_140_146
    assert Rng(0).child("step", 41).permutation(6).tolist() == [5, 0, 4, 2, 1, 3]


def test_names_may_be_numbers_of_numpy():
    assert Rng(np.int64(2)).child(np.int64(5), np.str_("a")).integer() == Rng(2).child(5, "a").integer()


def test_global_generators_stay_untouched():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    state = np.random.get_state()[1].copy()
    rng = Rng(0)
    rng.normal((3,)), rng.permutation(5), rng.choice(9, 3), rng.integer(), rng.generator().random()
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(np.random.get_state()[1], state)


def test_kinds_of_draws():
    assert sorted(Rng(0).permutation(9).tolist()) == list(range(9))
    chosen = Rng(0).choice(20, 6)
    assert len(set(chosen.tolist())) == 6
    assert max(chosen) < 20
    assert 0 <= Rng(0).integer() < 2**63
    assert Rng(0).normal((2, 3)).dtype == torch.float32


def test_globally_seeds_the_global_generators_and_restores_them():
    def drawn():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    with Rng(3).child("a").globally():
        first = drawn()
    drawn_inside = []
    for rng in (Rng(3).child("a"), Rng(3).child("b")):
        with rng.globally():
            drawn_inside.append(drawn())
    assert drawn_inside[0] == first
    assert all(number != different for number, different in zip(first, drawn_inside[1], strict=True))
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
