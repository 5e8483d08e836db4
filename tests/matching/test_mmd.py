"""The linear MMD against the Gram matrix that it avoids."""

from __future__ import annotations

import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from condensation.matching.mmd import class_mean_weights, linear_mmd

SEEDS = st.integers(0, 2**32 - 1)


def sample(seed: int, count: int, dims: int = 4) -> Tensor:
    return torch.randn(count, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mmd_by_gram_matrix(x: Tensor, y: Tensor) -> Tensor:
    """Return the biased estimate of the squared MMD under the linear kernel, from all pairs."""
    return (x @ x.T).mean() - 2 * (x @ y.T).mean() + (y @ y.T).mean()


@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_the_distance_of_means_equals_the_mmd_of_the_linear_kernel(seed: int, n: int, m: int) -> None:
    x, y = sample(seed, n), sample(seed + 1, m)
    torch.testing.assert_close(linear_mmd(x.mean(0)[None], y.mean(0)[None])[0], mmd_by_gram_matrix(x, y))


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_linear_mmd_is_a_squared_distance(seed: int) -> None:
    x, y = sample(seed, 3), sample(seed + 1, 3)
    assert (linear_mmd(x, y) >= 0).all()
    assert torch.equal(linear_mmd(x, y), linear_mmd(y, x))
    assert torch.equal(linear_mmd(x, x), torch.zeros(3, dtype=torch.float64))


@given(SEEDS, st.lists(st.integers(1, 6), min_size=1, max_size=5))
@settings(deadline=None, max_examples=30)
def test_weights_of_chunks_add_up_to_class_means(seed: int, counts: list[int]) -> None:
    features = sample(seed, sum(counts))
    rows = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    means = torch.stack([part.mean(0) for part in features.split(counts)])
    shares = class_mean_weights(rows, torch.tensor(counts), torch.float64)
    torch.testing.assert_close(shares @ features, means)
    cut = len(features) // 2
    torch.testing.assert_close(shares[:, :cut] @ features[:cut] + shares[:, cut:] @ features[cut:], means)
