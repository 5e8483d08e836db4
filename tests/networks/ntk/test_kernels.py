"""Kernels against closed forms, loops over pixels, and the gradients of wide networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from condensation import CondensationError, Rng
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.convolutional import Convolutional, PooledConvolutional
from condensation.networks.ntk.finite import ScaledLinear
from condensation.networks.ntk.fully_connected import FullyConnected
from condensation.networks.ntk.gram import gram
from condensation.networks.ntk.registry import NTKS

CLOSE = {"rtol": 1e-9, "atol": 1e-12}
KERNELS: dict[str, NTK] = {
    "fc": FullyConnected(),
    "fc-deep": FullyConnected(depth=3, w_std=1.2, b_std=0.5),
    "conv": Convolutional(depth=2),
    "conv-pool": PooledConvolutional(depth=2),
    "conv-pool-prepended": PooledConvolutional(depth=1, prepended=1, b_std=0.3),
}
EACH = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())


def images(count: int = 3, shape: tuple[int, int, int] = (2, 5, 6), seed: int = 0) -> Tensor:
    return Rng(seed).normal((count, *shape)).double()


def cosines(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Products of lengths, over dimensions, and cosines (n, m)."""
    x, y = x.flatten(1), y.flatten(1)
    lengths = x.norm(dim=1)[:, None] * y.norm(dim=1)[None]
    return lengths / x.shape[1], ((x @ y.T) / lengths).clamp(-1, 1)


def test_one_hidden_layer_is_the_closed_form() -> None:
    x, y = images(), images(seed=1)
    lengths, cosine = cosines(x, y)
    angle = cosine.arccos()
    degree_1 = (angle.sin() + (math.pi - angle) * cosine) / math.pi
    degree_0 = (math.pi - angle) / math.pi
    torch.testing.assert_close(gram(FullyConnected(b_std=0), x, y), 2 * lengths * (degree_1 + cosine * degree_0), **CLOSE)


def test_each_hidden_layer_adds_the_same_to_the_diagonal() -> None:
    # With w_std sqrt(2) and no bias, variances are the same in all layers, and each layer of weights adds twice the mean square.
    x = images()
    kernel = gram(FullyConnected(depth=4, b_std=0), x, x).diagonal()
    torch.testing.assert_close(kernel, 5 * 2 * x.flatten(1).square().mean(1), **CLOSE)


def plain_relu(covariance: float, var_u: float, var_v: float) -> tuple[float, float]:
    length = math.sqrt(var_u * var_v)
    angle = math.acos(max(-1.0, min(1.0, covariance / length)))
    return length * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi), (math.pi - angle) / (2 * math.pi)


class Plain:
    """Kernel of a convolutional network for two images, layer by layer in loops over all pairs of pixels."""

    def __init__(self, kernel: NTK, x: Tensor, y: Tensor) -> None:
        self.kernel, (_, self.height, self.width) = kernel, x.shape
        # For each pair of images that variances need: covariances and tangents at pixels (i, j) and (k, m).
        self.covariances = {name: np.einsum("cij,ckl->ijkl", a, b) / len(x) for name, a, b in (("xx", x, x), ("xy", x, y), ("yy", y, y))}
        self.tangents = {name: np.zeros_like(covariance) for name, covariance in self.covariances.items()}

    def window(self, values: np.ndarray) -> np.ndarray:
        result = np.zeros_like(values)
        for i, j, k, m in np.ndindex(values.shape):
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    place = (i + a, j + b, k + a, m + b)
                    if all(0 <= p < size for p, size in zip(place, values.shape, strict=True)):
                        result[i, j, k, m] += values[place] / 9
        return result

    def convolution(self) -> None:
        w, b = self.kernel.w_std**2, self.kernel.b_std**2
        for name in self.covariances:
            self.covariances[name] = w * self.window(self.covariances[name]) + b
            self.tangents[name] = self.covariances[name] + w * self.window(self.tangents[name])

    def relu(self) -> None:
        before = {name: values.copy() for name, values in self.covariances.items()}
        for name in before:
            for i, j, k, m in np.ndindex(before[name].shape):
                var_u, var_v = before[2 * name[0]][i, j, i, j], before[2 * name[1]][k, m, k, m]
                self.covariances[name][i, j, k, m], slope = plain_relu(before[name][i, j, k, m], var_u, var_v)
                self.tangents[name][i, j, k, m] *= slope

    def pool(self) -> None:
        for values in (self.covariances, self.tangents):
            for name, full in values.items():
                halves = [size // 2 for size in full.shape]
                pooled = np.zeros(halves)
                for place in np.ndindex(*halves):
                    pooled[place] = full[tuple(slice(2 * p, 2 * p + 2) for p in place)].mean()
                values[name] = pooled

    def value(self) -> float:
        like = [np.einsum("ijij->ij", values["xy"]).mean() for values in (self.covariances, self.tangents)]
        return float(self.kernel.w_std**2 * like[0] + self.kernel.b_std**2 + self.kernel.w_std**2 * like[1])


def plainly(kernel: NTK, x: Tensor, y: Tensor) -> float:
    plain = Plain(kernel, x, y)
    pooled = [False] * kernel.depth
    if isinstance(kernel, PooledConvolutional):
        pooled = [False] * kernel.prepended + [True] * kernel.depth
    for pools in pooled:
        plain.convolution()
        plain.relu()
        if pools:
            plain.pool()
    return plain.value()


@pytest.mark.parametrize("name", ["conv", "conv-pool", "conv-pool-prepended"])
def test_convolutional_kernels_equal_loops_over_pixels(name: str) -> None:
    kernel, x, y = KERNELS[name], images(2), images(2, seed=1)
    expected = [[plainly(kernel, first, second) for second in y] for first in x]
    torch.testing.assert_close(gram(kernel, x, y), torch.tensor(expected, dtype=torch.float64), **CLOSE)


def empirical(kernel: NTK, x: Tensor, width: int, rng: Rng) -> Tensor:
    """The Gram matrix of the gradients of a network of ``width``; the kernel is its limit."""
    layers = kernel.hidden_layers((x.shape[1], x.shape[2], x.shape[3]), width)
    dims = nn.Sequential(*layers)(x.float()).shape[1]
    network = nn.Sequential(*layers, ScaledLinear(dims, 1, kernel.w_std, kernel.b_std)).double()
    parameters = list(network.parameters())
    with torch.no_grad():
        for number, parameter in enumerate(parameters):
            parameter.copy_(rng.child(number).normal(tuple(parameter.shape)))
    rows = [torch.autograd.grad(network(image[None]).sum(), parameters) for image in x]
    gradients = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
    return gradients @ gradients.T


@pytest.mark.parametrize(
    ("name", "width"), [("fc", 4000), ("fc-deep", 600), ("conv", 200), ("conv-pool", 200), ("conv-pool-prepended", 120)]
)
def test_the_gradients_of_wide_networks_have_the_kernel(name: str, width: int) -> None:
    kernel, x = KERNELS[name], images()
    x[1] = x[0] + 0.5 * x[1]  # two similar images
    grams = torch.stack([empirical(kernel, x, width, Rng(seed)) for seed in range(8)])
    error = grams.std(0) / math.sqrt(len(grams))
    expected = gram(kernel, x, x)
    assert ((grams.mean(0) - expected).abs() < 5 * error + 0.01 * expected).all()
    assert (error < 0.08 * expected.diagonal().mean()).all()  # so that the test can fail


@EACH
def test_gram_matrices_are_symmetric_and_positive(kernel: NTK) -> None:
    x = images(6)
    matrix = gram(kernel, x, x)
    torch.testing.assert_close(matrix, matrix.T, **CLOSE)
    assert torch.linalg.eigvalsh(matrix).min() > 0


@EACH
@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_blocks_change_neither_values_nor_gradients(kernel: NTK, pairs: int) -> None:
    x, y = images(3).requires_grad_(), images(4, seed=1)
    weights = Rng(2).normal((3, 4)).double()
    budget = pairs * kernel.pair_bytes((2, 5, 6))
    whole, pieces = gram(kernel, x, y), gram(kernel, x, y, budget)
    torch.testing.assert_close(pieces, whole, **CLOSE)
    (expected,) = torch.autograd.grad((weights * whole).sum(), x)
    (gradient,) = torch.autograd.grad((weights * pieces).sum(), x)
    torch.testing.assert_close(gradient, expected, **CLOSE)


@pytest.mark.slow
@EACH
def test_gradients_of_gram_matrices_check_out(kernel: NTK) -> None:
    x, y = images(2).requires_grad_(), images(2, seed=1)
    assert torch.autograd.gradcheck(lambda x: gram(kernel, x, y), [x])
    assert torch.autograd.gradcheck(lambda x: gram(kernel, x, x), [x])


@EACH
def test_the_same_image_on_both_sides_has_a_finite_gradient(kernel: NTK) -> None:
    x = images(2).requires_grad_()
    (gradient,) = torch.autograd.grad(gram(kernel, x.detach(), x).sum(), x)
    assert gradient.isfinite().all()


@EACH
def test_blank_images_have_finite_values_and_gradients(kernel: NTK) -> None:
    x = torch.cat([images(1), torch.zeros(1, 2, 5, 6, dtype=torch.float64)]).requires_grad_()
    matrix = gram(replace(kernel, b_std=0.0), x, x)
    (gradient,) = torch.autograd.grad(matrix.sum(), x)
    assert matrix.isfinite().all()
    assert gradient.isfinite().all()


def test_pooling_needs_large_enough_images() -> None:
    with pytest.raises(CondensationError, match=r"at least 8x8 pixels, got 4x9"):
        NTKS["conv-pool"].validate((3, 4, 9))


@pytest.mark.parametrize("settings", [{"depth": 0}, {"w_std": 0.0}, {"b_std": -1.0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(CondensationError) as caught:
        FullyConnected(**settings)  # type: ignore[arg-type]
    assert caught.value.setting == f"kernel.{next(iter(settings))}"


@EACH
def test_the_memory_of_a_pair_is_about_pair_bytes(kernel: NTK) -> None:
    """Tensors kept for the gradient, without those that do not grow with the number of pairs."""
    x, y = images(8, (2, 8, 8)).requires_grad_(), images(8, (2, 8, 8), seed=1)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x_variances, y_variances = kernel.variances(x), kernel.variances(y)
    inputs = {images.untyped_storage().data_ptr() for images in (x, y)}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = kernel.pairs(x, y, x_variances, y_variances)
    estimate = 64 * kernel.pair_bytes((2, 8, 8))
    assert 0.3 * estimate < sum(size for address, size in kept.items() if address not in inputs) < estimate
    result.sum().backward()
