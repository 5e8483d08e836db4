"""Winograd's convolution is the direct one, its gradients too, and is taken only where it can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from condensation import Compute, ConvNet, Rng
from condensation.learners import Crew
from condensation.networks import winograd
from condensation.networks.base import Classifier
from condensation.networks.layers import directly


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


def gradients(function: Callable[[Tensor], Tensor], images: Tensor, others: list[Tensor]) -> list[Tensor]:
    """What comes out, and the gradients by ``images`` and by all ``others`` of a number that depends on all of it."""
    images = images.clone().requires_grad_()
    result = function(images)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result)
    return [result.detach(), *torch.autograd.grad((result.square() * weights).sum(), [images, *others])]


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
    network = ConvNet(width=8, depth=2).build(shape, 3, Rng(0)).requires_grad_(learns)
    images = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    parameters = list(network.parameters()) if learns else []
    plain = gradients(network, images, parameters)
    compiled = torch.compile(network, backend=backend, fullgraph=True, dynamic=False)
    largest = max(float(gradient.abs().max()) for gradient in plain[1:])  # that of a bias before a norm is 0, but for rounding
    for one, other in zip(gradients(compiled, images, parameters), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * largest)
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
        (directly(sides((3, 16, 16))), (3, 16, 16), torch.float32, False),
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
    crew = Crew(ConvNet(width=8, depth=2), (3, 16, 16), 3, Compute(device="cpu", precision="float32", compile="always"))
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    rngs, logits = [Rng(0).child("network", number) for number in range(2)], []
    for learners, theirs in ((crew.learners(1), rngs[:1]), (crew.learners(2), rngs)):
        learners.begin(theirs)
        learners.train(False)
        with torch.no_grad():
            logits.append(learners.on_same(images))
        if learners.count == 1:
            assert taken
            taken.clear()
    torch.testing.assert_close(logits[1][:1], logits[0], rtol=1e-3, atol=1e-5)
    assert not taken
