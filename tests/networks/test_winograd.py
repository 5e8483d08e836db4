"""Winograd's convolution against the direct one, and where `dispatch` uses it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import ConvNet, Rng
from condensation.networks.base import Classifier
from condensation.networks.cpu import dispatch, winograd
from condensation.networks.layers import use_pytorch_kernels
from tests.networks.compiling import check_compiled_network, check_stacked_networks_do_not_use, compiled_cases, gradients


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the maps that Winograd's convolution computed, on a processor that counts as one with AVX2."""
    shapes: list[tuple[int, ...]] = []
    conv3x3 = winograd.conv3x3

    def noted(maps: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
        shapes.append(tuple(maps.shape))
        return conv3x3(maps, weights, bias)

    monkeypatch.setattr(winograd, "conv3x3", noted)
    monkeypatch.setattr(dispatch, "CPU_CAPABILITY", "AVX2")
    monkeypatch.setattr(dispatch, "WINOGRAD_CHANNELS", 8)
    torch.compiler.reset()
    return shapes


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", [(4, 4), (8, 12)])
def test_it_equals_the_direct_convolution_with_its_gradients(side: tuple[int, int], bias: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(3, 5, *side, generator=draw, dtype=torch.float64)
    weights = torch.randn(7, 5, 3, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(7, generator=draw, dtype=torch.float64, requires_grad=True)
    others = [weights, shift] if bias else [weights]
    ours = gradients(lambda maps: winograd.conv3x3(maps, weights, shift if bias else None), images, others)
    direct = gradients(lambda maps: F.conv2d(maps, weights, shift if bias else None, padding=1), images, others)
    for one, other in zip(ours, direct, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_float32_rounding_is_small() -> None:
    draw = torch.Generator().manual_seed(0)
    images, weights = torch.randn(4, 128, 16, 16, generator=draw), torch.randn(128, 128, 3, 3, generator=draw)
    exact = F.conv2d(images.double(), weights.double(), padding=1)
    assert (winograd.conv3x3(images, weights, None) - exact).norm() < 5e-6 * exact.norm()


@compiled_cases
def test_a_compiled_network_uses_it_with_equal_results(
    computed: list[tuple[int, ...]], backend: str, learns: bool, shape: tuple[int, int, int]
) -> None:
    check_compiled_network(8, shape, backend, learns)
    assert computed == [(5, 8, 8, 8)]


def sides(shape: tuple[int, int, int], width: int = 8) -> Classifier:
    return ConvNet(width=width, depth=2).build(shape, 3, Rng(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "shape", "dtype", "lower"),
    [
        (sides((3, 12, 12)), (3, 12, 12), torch.float32, False),  # 6x6 maps in the second block do not divide into tiles
        (sides((3, 16, 16), 4), (3, 16, 16), torch.float32, False),  # narrow
        (sides((3, 16, 16)), (3, 16, 16), torch.float64, False),
        (sides((3, 16, 16)), (3, 16, 16), torch.float32, True),
        (use_pytorch_kernels(sides((3, 16, 16))), (3, 16, 16), torch.float32, False),
    ],
)
def test_unsuitable_convolutions_are_direct(
    computed: list[tuple[int, ...]], network: Classifier, shape: tuple[int, int, int], dtype: torch.dtype, lower: bool
) -> None:
    network, images = network.to(dtype), torch.ones(2, *shape, dtype=dtype)
    compiled = torch.compile(network, backend="aot_eager", dynamic=False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=lower):
        torch.testing.assert_close(compiled(images), network(images))
    assert not computed


def test_it_is_not_used_without_compilation(computed: list[tuple[int, ...]]) -> None:
    sides((3, 16, 16))(torch.ones(2, 3, 16, 16))
    assert not computed


@pytest.mark.slow
def test_stacked_networks_do_not_use_it(computed: list[tuple[int, ...]]) -> None:
    check_stacked_networks_do_not_use(computed, 8)
