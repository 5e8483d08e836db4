"""Convolution and instance norm as one matrix product against the two layers, and where `dispatch` uses it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condensation import ConvNet, Rng, UserModule
from condensation.networks.base import Classifier
from condensation.networks.cpu import conv_instance_norm, dispatch
from condensation.networks.cpu.conv_instance_norm import conv3x3_instance_norm
from condensation.networks.layers import FusedSequential, InstanceNorm, convolution, use_pytorch_kernels
from condensation.networks.vgg import VGG11
from tests.networks.compiling import check_compiled_network, check_stacked_networks_do_not_use, compiled_cases, gradients


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the images that were computed as one product, with at least 8 output channels."""
    shapes: list[tuple[int, ...]] = []
    fused = conv_instance_norm.conv3x3_instance_norm

    def noted(images: Tensor, *rest: Any) -> Tensor:
        shapes.append(tuple(images.shape))
        return fused(images, *rest)

    monkeypatch.setattr(conv_instance_norm, "conv3x3_instance_norm", noted)
    monkeypatch.setattr(dispatch, "FUSED_MIN_OUTPUTS", 8)
    torch.compiler.reset()
    return shapes


def in_sequence(images: Tensor, weights: Tensor, padding: int, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    maps = F.conv2d(images, weights, torch.full_like(scale, 3.0), padding=padding)
    return F.instance_norm(maps, weight=scale, bias=shift, eps=eps)


def drawn(channels: int, sides: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, weights, scale and shift."""
    draw = torch.Generator().manual_seed(0)
    shapes = (3, channels, *sides), (7, channels, 3, 3), (7,), (7,)
    images, weights, scale, shift = (torch.randn(shape, generator=draw, dtype=dtype) for shape in shapes)
    return images, weights, scale, shift


@pytest.mark.parametrize("padding", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sides", [(8, 8), (5, 9)])
def test_it_equals_the_norm_of_the_convolution_with_its_gradients(channels: int, sides: tuple[int, int], padding: int) -> None:
    images, *others = drawn(channels, sides, torch.float64)
    others = [other.requires_grad_() for other in others]
    weights, scale, shift = others
    ours = gradients(lambda images: conv3x3_instance_norm(images, weights, padding, scale, shift, 1e-5), images, others)
    plain = gradients(lambda images: in_sequence(images, weights, padding, scale, shift, 1e-5), images, others)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


SECOND = torch.tensor([1.0, -2.0, 1.0])  # differences


@pytest.mark.parametrize(("smooth", "kernel", "most"), [(False, None, 3e-7), (True, None, 1e-6), (True, torch.outer(SECOND, SECOND), 1e-3)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_float32_rounding_is_small(smooth: bool, kernel: Tensor | None, most: float, offset: float) -> None:
    images, weights, scale, shift = drawn(3, (32, 32), torch.float32)
    if smooth:
        rows, columns = torch.arange(32) / 32, torch.arange(32)[:, None] / 32
        images = torch.stack([torch.sin(3 * rows + place) + torch.cos(4 * columns) for place in range(9)]).view(3, 3, 32, 32)
    if kernel is not None:
        weights = kernel.expand_as(weights).contiguous()
    exact = in_sequence(images.double() + offset, weights.double(), 1, scale.double(), shift.double(), 1e-5)
    ours = conv3x3_instance_norm(images + offset, weights, 1, scale, shift, 1e-5)
    assert (ours - exact).norm() < most * exact.norm()


def test_it_computes_in_float32_under_autocast() -> None:
    images, weights, scale, shift = drawn(3, (32, 32), torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        lower = conv3x3_instance_norm(images, weights, 1, scale, shift, 1e-5)
    assert torch.equal(lower, conv3x3_instance_norm(images, weights, 1, scale, shift, 1e-5))


def test_it_accepts_an_empty_batch() -> None:
    images, weights, scale, shift = drawn(3, (8, 8), torch.float32)
    assert conv3x3_instance_norm(images[:0], weights, 1, scale, shift, 1e-5).shape == (0, 7, 8, 8)


@pytest.mark.parametrize("value", [0.0, 255.0])
def test_constant_images_have_finite_gradients(value: float) -> None:
    images, *others = drawn(1, (8, 8), torch.float32)
    weights, scale, shift = (other.requires_grad_() for other in others)
    images = torch.full_like(images, value)
    result = gradients(lambda images: conv3x3_instance_norm(images, weights, 0, scale, shift, 1e-5), images, [weights, scale, shift])
    assert all(one.isfinite().all() for one in result)


@compiled_cases
def test_a_compiled_network_uses_it_with_equal_results(
    computed: list[tuple[int, ...]], backend: str, learns: bool, shape: tuple[int, int, int]
) -> None:
    check_compiled_network(16, shape, backend, learns)
    assert computed == [(5, *shape)]


GREY, COLOURED = (1, 28, 28), (3, 32, 32)


@pytest.mark.parametrize(
    ("network", "shape", "dtype", "lower", "learns", "expected"),
    [
        (ConvNet(width=8), GREY, torch.float32, False, False, True),
        (ConvNet(width=8), COLOURED, torch.float32, False, False, False),
        (ConvNet(width=8), COLOURED, torch.float64, False, True, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (ConvNet(width=8), GREY, torch.float32, True, False, True),
                (ConvNet(width=8), COLOURED, torch.float32, False, True, True),
                (ConvNet(width=16), COLOURED, torch.float32, False, False, True),
                (VGG11(), COLOURED, torch.float32, False, False, True),
                (ConvNet(width=16), COLOURED, torch.float32, True, True, True),
                (ConvNet(width=8), COLOURED, torch.float32, True, True, False),
                (ConvNet(width=16), COLOURED, torch.float32, True, False, False),
                (ConvNet(width=4), COLOURED, torch.float32, False, True, False),
                (ConvNet(width=8), (4, 32, 32), torch.float32, False, True, False),
                (ConvNet(width=8, norm="batch"), COLOURED, torch.float32, False, True, False),
                (ConvNet(width=8, norm="none"), COLOURED, torch.float32, False, True, False),
            ]
        ),
    ],
)
def test_dispatch_uses_it_where_it_was_faster(
    computed: list[tuple[int, ...]],
    network: ConvNet,
    shape: tuple[int, int, int],
    dtype: torch.dtype,
    lower: bool,
    learns: bool,
    expected: bool,
) -> None:
    module = network.build(shape, 3, Rng(0)).to(dtype).requires_grad_(learns)
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=lower):
        torch.testing.assert_close(compiled(module, images).to(dtype), module(images).to(dtype), rtol=0.1, atol=0.1 if lower else 1e-4)
    assert bool(computed) == expected


def small() -> Classifier:
    return ConvNet(width=16, depth=2).build((3, 16, 16), 3, Rng(0))


def compiled(module: nn.Module, images: Tensor) -> Tensor:
    result: Tensor = torch.compile(module, backend="aot_eager", dynamic=False)(images)
    return result


@pytest.mark.slow
def test_weights_count_as_frozen_without_gradients(computed: list[tuple[int, ...]]) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        compiled(small(), torch.ones(2, 3, 16, 16))
    assert not computed


@pytest.mark.slow
def test_slices_of_a_network_equal_their_uncompiled_results(computed: list[tuple[int, ...]]) -> None:
    features, images = small().get_submodule("features"), torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert isinstance(features, FusedSequential)
    assert features[:0](images) is images
    for count in (1, 2, 3):
        part = features[:count]
        torch.testing.assert_close(compiled(part, images), part(images), rtol=1e-4, atol=1e-5)
    assert len(computed) == 2


@pytest.mark.parametrize("layer", ["features.0", "features.1"])
def test_layers_with_hooks_are_not_fused(computed: list[tuple[int, ...]], layer: str) -> None:
    network = UserModule(lambda num_classes: small(), layer=layer).build((3, 16, 16), 3, Rng(0))
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    embed = torch.compile(network.embed, backend="aot_eager", dynamic=False)
    torch.testing.assert_close(embed(images), network.embed(images), rtol=1e-4, atol=1e-5)
    assert not computed


def test_other_kernel_sizes_are_not_fused(computed: list[tuple[int, ...]]) -> None:
    layers, images = FusedSequential(convolution(1, 16, 5, 2), InstanceNorm(16)), torch.ones(2, 1, 12, 12)
    torch.testing.assert_close(compiled(layers, images), layers(images))
    assert not computed


def test_it_is_not_used_without_compilation_or_when_disabled(computed: list[tuple[int, ...]]) -> None:
    images = torch.ones(2, 3, 16, 16)
    small()(images)
    compiled(use_pytorch_kernels(small()), images)
    assert not computed


@pytest.mark.slow
def test_stacked_networks_do_not_use_it(computed: list[tuple[int, ...]]) -> None:
    check_stacked_networks_do_not_use(computed, 16)
