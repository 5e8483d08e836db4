"""Winograd's convolution is the direct one, its gradients too, and is taken only where it can be."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import ConvNet, Rng
from condensation.networks.base import Classifier
from condensation.networks.cpu import winograd
from condensation.networks.layers import use_pytorch_kernels
from tests.networks.compiling import gives_the_same_compiled, gradients, stacked_do_without


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of maps that went through Winograd's convolution, on a processor that counts as one with AVX2."""
    shapes: list[tuple[int, ...]] = []
    convolution = winograd.convolution

    def noted(maps: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
        shapes.append(tuple(maps.shape))
        return convolution(maps, weights, bias)

    monkeypatch.setattr(winograd, "convolution", noted)
    monkeypatch.setattr(winograd, "CAPABILITY", "AVX2")
    monkeypatch.setattr(winograd, "WIDE", 8)
    torch.compiler.reset()
    return shapes


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", [(4, 4), (8, 12)])
def test_it_is_the_direct_convolution(side: tuple[int, int], bias: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(3, 5, *side, generator=draw, dtype=torch.float64)
    weights = torch.randn(7, 5, 3, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(7, generator=draw, dtype=torch.float64, requires_grad=True)
    others = [weights, shift] if bias else [weights]
    ours = gradients(lambda maps: winograd.convolution(maps, weights, shift if bias else None), images, others)
    direct = gradients(lambda maps: F.conv2d(maps, weights, shift if bias else None, padding=1), images, others)
    for one, other in zip(ours, direct, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_in_float32_it_is_off_by_a_little_more_than_the_direct_one() -> None:
    draw = torch.Generator().manual_seed(0)
    images, weights = torch.randn(4, 128, 16, 16, generator=draw), torch.randn(128, 128, 3, 3, generator=draw)
    exact = F.conv2d(images.double(), weights.double(), padding=1)
    assert (winograd.convolution(images, weights, None) - exact).norm() < 5e-6 * exact.norm()


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 12, 12)])
def test_a_compiled_network_gives_the_same_with_it(
    taken: list[tuple[int, ...]], backend: str, learns: bool, shape: tuple[int, int, int]
) -> None:
    gives_the_same_compiled(8, shape, backend, learns)
    assert taken == [(5, 8, 8, 8)]


def sides(shape: tuple[int, int, int], width: int = 8) -> Classifier:
    return ConvNet(width=width, depth=2).build(shape, 3, Rng(0))


@pytest.mark.parametrize(
    ("network", "shape", "dtype", "lower"),
    [
        (sides((3, 12, 12)), (3, 12, 12), torch.float32, False),  # then 6 x 6, which do not divide into tiles
        (sides((3, 16, 16), 4), (3, 16, 16), torch.float32, False),  # narrow
        (sides((3, 16, 16)), (3, 16, 16), torch.float64, False),
        (sides((3, 16, 16)), (3, 16, 16), torch.float32, True),
        (use_pytorch_kernels(sides((3, 16, 16))), (3, 16, 16), torch.float32, False),
    ],
)
def test_where_it_can_not_be_the_convolution_is_direct(
    taken: list[tuple[int, ...]], network: Classifier, shape: tuple[int, int, int], dtype: torch.dtype, lower: bool
) -> None:
    network, images = network.to(dtype), torch.ones(2, *shape, dtype=dtype)
    compiled = torch.compile(network, backend="aot_eager", dynamic=False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=lower):
        torch.testing.assert_close(compiled(images), network(images))
    assert not taken


def test_uncompiled_it_is_never_taken(taken: list[tuple[int, ...]]) -> None:
    sides((3, 16, 16))(torch.ones(2, 3, 16, 16))
    assert not taken


@pytest.mark.slow
def test_stacked_networks_do_without(taken: list[tuple[int, ...]]) -> None:
    stacked_do_without(taken, 8)
