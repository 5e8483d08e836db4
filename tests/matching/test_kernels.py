"""Kernels and their algebra, and the pairwise MMD against its definition, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from condensation import CondensationError
from condensation.matching.kernels import KERNELS, RBF, SAMPLE, Kernel, Laplacian, Linear, Polynomial, Scale, Scaled, Sum, squared_distances
from condensation.matching.mmd import linear_mmd, mean_kernel, squared_mmd

ALL = [*KERNELS.values(), Polynomial(3, 0.5, 0.1), RBF((1.5,)), 2 * Linear() + 0.5 * Laplacian((1.0, 3.0))]
SEEDS = st.integers(0, 2**32 - 1)


def sample(seed: int, count: int, dims: int = 4) -> Tensor:
    return torch.randn(count, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([torch.stack([(one - other).norm() for other in y]) for one in x])


def plain_mmd(kernel: Kernel, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
    return kernel(x, x, scale).mean() - 2 * kernel(x, y, scale).mean() + kernel(y, y, scale).mean()


def test_kernels_equal_their_formulas() -> None:
    x, y = sample(0, 5), sample(1, 3)
    scale = Scale.from_features(x)
    products, relative = x @ y.T, slow_distances(x, y) / scale.median
    expected = {
        Linear(): products,
        Polynomial(): (products / 4 + 1) ** 2,
        Polynomial(3, 0.5, 0.1): (0.1 * products + 0.5) ** 3,
        RBF((0.5, 2.0)): (torch.exp(-relative.square() / (2 * 0.25)) + torch.exp(-relative.square() / (2 * 4))) / 2,
        Laplacian((0.5, 2.0)): (torch.exp(-relative / 0.5) + torch.exp(-relative / 2)) / 2,
        Linear() + 3 * Polynomial(): products + 3 * (products / 4 + 1) ** 2,
    }
    for kernel, gram in expected.items():
        torch.testing.assert_close(kernel(x, y, scale), gram)


def test_the_scale_is_the_median_distance_of_the_first_features() -> None:
    features = sample(0, SAMPLE + 40)
    distances = sorted(float((features[i] - features[j]).norm()) for i in range(SAMPLE) for j in range(i))
    scale = Scale.from_features(features)
    assert float(scale.median) == pytest.approx(distances[(len(distances) - 1) // 2])
    assert float(scale.largest) == pytest.approx(max(float(one.square().sum()) for one in features[:SAMPLE]))


@pytest.mark.parametrize("features", [torch.ones(1, 4), torch.ones(6, 4), torch.zeros(3, 4)])
@pytest.mark.parametrize("kernel", ALL, ids=str)
def test_equal_features_give_finite_gradients(features: Tensor, kernel: Kernel) -> None:
    scale = Scale.from_features(features)
    assert float(scale.median) == 1
    other = sample(0, 2).float().requires_grad_()
    value = squared_mmd(kernel, features, other, scale)
    assert value.isfinite()
    assert torch.autograd.grad(value, other)[0].isfinite().all()
    assert float(kernel.curvature(scale)) >= 0


def test_equal_features_have_distance_zero_in_float32() -> None:
    features = 30 * torch.randn(20, 3000, generator=torch.Generator().manual_seed(0))
    distances = squared_distances(features, features.clone())
    assert torch.equal(distances.diagonal(), torch.zeros(20))
    torch.testing.assert_close(distances, slow_distances(features, features).square(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kernel", ALL, ids=str)
@given(seed=SEEDS, n=st.integers(2, 9), m=st.integers(1, 9))
@settings(deadline=None, max_examples=15)
def test_mmd_is_a_squared_distance_of_samples(kernel: Kernel, seed: int, n: int, m: int) -> None:
    x, y = sample(seed, n), sample(seed + 1, m)
    scale = Scale.from_features(x)
    assert torch.linalg.eigvalsh(kernel(x, x, scale)).min() > -1e-8
    value = squared_mmd(kernel, x, y, scale)
    assert value > -1e-9
    torch.testing.assert_close(value, squared_mmd(kernel, y, x, scale))
    torch.testing.assert_close(squared_mmd(kernel, x, x.flip(0), scale), torch.zeros((), dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("chunk", [1, 2, 5, 7, 100])
@pytest.mark.parametrize("kernel", ALL, ids=str)
def test_blocks_of_the_gram_matrix_give_the_whole_and_its_gradient(kernel: Kernel, chunk: int) -> None:
    x, y = sample(0, 7), sample(1, 5).requires_grad_()
    scale = Scale.from_features(x)
    whole, pieces = plain_mmd(kernel, x, y, scale), squared_mmd(kernel, x, y, scale, chunk)
    torch.testing.assert_close(pieces, whole)
    torch.testing.assert_close(torch.autograd.grad(pieces, y), torch.autograd.grad(whole, y))


@pytest.mark.parametrize("kernel", ALL, ids=str)
def test_gradients_are_exact(kernel: Kernel) -> None:
    x, y = sample(0, 5), sample(1, 3).requires_grad_()
    scale = Scale.from_features(x)
    assert torch.autograd.gradcheck(lambda y: squared_mmd(kernel, x, y, scale, 2), y)


def test_only_one_block_is_held_at_a_time() -> None:
    x, y = sample(0, 100), sample(1, 40).requires_grad_()
    sizes: list[int] = []
    seen: list[tuple[int, ...]] = []

    class Looking(Linear):
        def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
            seen.append((len(x), len(y)))
            return super().__call__(x, y, scale)

    def keep(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = mean_kernel(Looking(), x, y, Scale.from_features(x), 10)
        forward = len(seen)
        value.backward()
    assert set(seen) == {(10, 10)}
    assert (forward, len(seen)) == (40, 80)  # each piece once more for the gradient
    assert max(sizes) <= 40 * 4  # features, no Gram matrix


@pytest.mark.parametrize("kernel", [Linear(), 3 * Linear(), Linear() + 2 * (Linear() + Linear())], ids=str)
def test_with_a_mean_factor_the_means_give_the_mmd_of_all_pairs(kernel: Kernel) -> None:
    x, y = sample(0, 7), sample(1, 4)
    assert kernel.mean_factor is not None
    by_means = kernel.mean_factor * linear_mmd(x.mean(0)[None], y.mean(0)[None])[0]
    torch.testing.assert_close(by_means, plain_mmd(kernel, x, y, Scale.from_features(x)))
    assert float(kernel.curvature(Scale.from_features(x))) == kernel.mean_factor


@pytest.mark.parametrize("kernel", [RBF(), Laplacian(), Polynomial(), RBF() + Linear(), 2 * Laplacian()], ids=str)
def test_without_a_mean_factor_equal_means_can_have_a_distance(kernel: Kernel) -> None:
    assert kernel.mean_factor is None
    x, y = sample(0, 6), 2 * sample(0, 6)
    x, y = x - x.mean(0), y - y.mean(0)  # equal means, other spread
    assert float(squared_mmd(kernel, x, y, Scale.from_features(x))) > 1e-3


@pytest.mark.parametrize("kernel", ALL, ids=str)
def test_curvature_bounds_the_second_derivative(kernel: Kernel) -> None:
    """The largest eigenvalue of the Hessian is at most the curvature."""
    x = sample(3, 40)
    scale = Scale.from_features(x)
    if "Laplacian" in str(kernel):
        pytest.skip("it has a kink")

    def k(y: Tensor) -> Tensor:
        return kernel(x, y[None], scale).mean()

    for y in x[:10]:
        hessian = torch.autograd.functional.hessian(k, y)
        assert float(torch.linalg.eigvalsh(hessian).abs().max()) <= float(kernel.curvature(scale)) * (1 + 1e-9)


def test_kernels_can_be_added_and_multiplied() -> None:
    assert RBF() + Linear() == Sum((RBF(), Linear()))
    assert 2 * RBF() == RBF() * 2 == Scaled(2.0, RBF())
    assert hash(2 * RBF() + Linear()) == hash(2 * RBF() + Linear())


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Polynomial(0), "degree"),
        (lambda: Polynomial(offset=-1), "offset"),
        (lambda: Polynomial(factor=0.0), "factor"),
        (lambda: RBF(()), "bandwidths"),
        (lambda: RBF((1.0, 0.0)), "bandwidths"),
        (lambda: Laplacian((math.nan,)), "bandwidths"),
        (lambda: Sum(()), "kernels"),
        (lambda: -1 * RBF(), "factor"),
    ],
)
def test_invalid_settings_raise_with_their_name(make, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CondensationError) as caught:
        make()
    assert caught.value.setting == f"method.kernel.{field}"
