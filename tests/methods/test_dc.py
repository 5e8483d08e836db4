"""Gradient matching against the plain algorithm, in float64."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from condensation import DC, DSA, NETWORKS, Augmentation, Compute, ConvNet, Fresh, ImageSet, Rng, SiameseDC, condense
from condensation.core.form import Form, Frequencies, Tiles
from condensation.core.ipc import images_per_class
from condensation.matching.class_gradients import (
    class_mean_gradient,
    frozen_batch_norm,
    group_equal_counts,
    sequential_distances,
    supports_vmap,
    trainable_parameters,
    vmapped_distances,
)
from condensation.matching.gradient_distances import DISTANCES, layerwise_cosine
from condensation.methods.dc import NORM_IMAGES, DCState, loops_for
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.mlp import MLP
from tests import plain_dc
from tests.small import CPU, images

COUNTS = [10, 4, 7]
IPC = {0: 2, 1: 3, 2: 3}
DOUBLE = Compute(device="cpu", precision="float64", compile="never")


def dc(**settings: object) -> DC:
    small = {"steps": 2, "batch_per_class": 6, "outer_loops": 2, "inner_loops": 2, "network_batch": 5, "networks": Fresh(ConvNet(width=6))}
    return DC(**{**small, **settings})  # type: ignore[arg-type]


def plain_step(method: DC, real: ImageSet, small: ImageSet, network: Classifier, velocity: Tensor, rng: Rng) -> tuple[ImageSet, float]:
    """One step of the plain algorithm with the same random draws; updates ``velocity`` in place."""
    assert method.outer_loops is not None
    assert method.inner_loops is not None
    counts, labels, losses = list(small.counts.values()), list(small.classes), []
    network.redraw(rng.child("network"))
    for loop in range(method.outer_loops):
        of_loop = rng.child("match", loop)
        draw = real.draw(method.batch_per_class, of_loop.child("real"))
        of_real = [real.inputs(draw.indices[draw.class_index == place]).double() for place in range(len(labels))]
        network.train()
        with torch.no_grad():
            network(real.inputs(real.draw(NORM_IMAGES, of_loop.child("norm")).indices).double())
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        transform = method.augmentation.per_class(labels, of_loop.child("augment")) if method.augmentation else None

        def augment(of_class: Tensor, place: int, transform=transform) -> Tensor:  # type: ignore[no-untyped-def]
            return transform(of_class, torch.full((len(of_class),), place)) if transform else of_class

        pixels = [part.clone().requires_grad_() for part in small.images.split(counts)]
        decoded = [method.form.decode(part) if method.form else part for part in pixels]
        loss = plain_dc.match(network, of_real, decoded, labels, augment)
        velocity.mul_(method.momentum).add_(torch.cat(torch.autograd.grad(loss, pixels)))
        small = replace(small, images=small.images - method.lr * velocity)
        losses.append(float(loss.detach()))
        if loop < method.outer_loops - 1:
            settings = (method.network_lr, method.network_batch)
            plain_dc.train(network, small.decoded(), method.inner_loops, method.augmentation, rng.child("train", loop), *settings)
    return small, sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("spec", "augmentation", "form"),
    [
        (ConvNet(width=6), None, None),
        (ConvNet(width=6), DSA(), None),
        (ConvNet(width=6, norm="batch"), DSA(), None),
        (ConvNet(width=6, norm="layer", activation="swish"), None, None),
        (MLP(width=5), None, None),
        (ConvNet(width=6), DSA(), Tiles(2)),
        (ConvNet(width=6), None, Frequencies(2)),
    ],
)
@pytest.mark.parametrize("classes_at_a_time", [None, 2])
def test_steps_equal_the_plain_algorithm(
    spec: NetworkSpec, augmentation: Augmentation | None, form: Form | None, classes_at_a_time: int | None
) -> None:
    real = images(per_class=COUNTS)
    networks = Fresh(spec)
    method = dc(networks=networks, augmentation=augmentation, classes_at_a_time=classes_at_a_time, form=form)
    small = condense(replace(method, steps=0), real, IPC, seed=9, compute=DOUBLE)
    small = replace(small, images=small.images.double())
    network = networks.network(real.shape, 3, "cpu").double().requires_grad_(True)
    velocity, losses = torch.zeros_like(small.images), []
    for step in range(method.steps):
        small, loss = plain_step(method, real, small, network, velocity, Rng(9).child("step", step))
        losses.append(loss)
    seen: list[float] = []
    result = condense(method, real, IPC, seed=9, compute=DOUBLE, observers=[lambda info: seen.append(info.loss or 0)])
    torch.testing.assert_close(result.images.double(), small.images, rtol=1e-6, atol=1e-9)
    assert seen[1:] == pytest.approx(losses, rel=1e-9)


def setting(spec: NetworkSpec, classes: int = 3, count: int = 2) -> tuple[Classifier, list[Tensor], Tensor, Tensor]:
    """A trainable network, a random target, images that require a gradient, and their labels."""
    network = spec.build((3, 16, 16), classes, Rng(1)).double()
    generator = torch.Generator().manual_seed(0)
    target = [torch.randn(classes, *p.shape, dtype=torch.float64, generator=generator) for p in trainable_parameters(network).values()]
    pixels = torch.randn(classes, count, 3, 16, 16, dtype=torch.float64, generator=generator).requires_grad_()
    return network, target, pixels, torch.arange(classes)[:, None].expand(classes, count)


SPECS = {
    **{f"convnet-{norm}": ConvNet(width=4, norm=norm) for norm in ("none", "batch", "instance", "group")},
    "convnet-swish-max": ConvNet(width=4, activation="swish", pooling="max"),
    **{name: NETWORKS[name] for name in ("mlp", "lenet", "alexnet")},
}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("distance", [next(iter(DISTANCES)), *(pytest.param(name, marks=pytest.mark.slow) for name in [*DISTANCES][1:])])
def test_vmapped_distances_equal_sequential_ones(name: str, distance: str) -> None:
    network, target, pixels, labels = setting(SPECS[name])
    assert supports_vmap(network, (3, 16, 16))
    values = []
    with frozen_batch_norm(network):
        for function in (sequential_distances, vmapped_distances):
            value = function(DISTANCES[distance], target, network, pixels, labels)
            values.append((value.detach(), torch.autograd.grad(value.sum(), pixels)[0]))
    torch.testing.assert_close(values[1], values[0])
    assert values[0][1].abs().max() > 0


def test_unsupported_second_derivatives_disable_vmap(caplog: pytest.LogCaptureFixture) -> None:
    network, target, pixels, labels = setting(ConvNet(width=4, norm="layer"))
    one, other = (
        torch.autograd.grad(function(layerwise_cosine, target, network, pixels, labels).sum(), pixels)[0]
        for function in (sequential_distances, vmapped_distances)
    )
    with caplog.at_level(logging.INFO):
        together = supports_vmap(network, (3, 16, 16))
    assert together == torch.allclose(one, other)  # whatever a later torch does
    assert together or "second derivatives" in caplog.text


@pytest.mark.slow
def test_second_derivatives_of_the_class_loop() -> None:
    pixels = torch.randn(2, 1, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    network = ConvNet(width=2, depth=1, norm="layer", activation="swish").build((3, 8, 8), 2, Rng(1)).double()
    target = [torch.ones(2, *parameter.shape, dtype=torch.float64) for parameter in trainable_parameters(network).values()]
    assert torch.autograd.gradcheck(lambda x: sequential_distances(layerwise_cosine, target, network, x, torch.arange(2)[:, None]), pixels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "resnet18", "resnet18-ap", "resnet18-bn"])
def test_vmapped_distances_equal_sequential_ones_for_large_networks(name: str) -> None:
    spec = NETWORKS[name]
    network = spec.build((3, 32, 32), 2, Rng(1)).double()
    target = [torch.ones(2, *parameter.shape, dtype=torch.float64) for parameter in trainable_parameters(network).values()]
    pixels = torch.randn(2, 1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(2)[:, None]
    with frozen_batch_norm(network):
        one, other = (
            torch.autograd.grad(function(layerwise_cosine, target, network, pixels, labels).sum(), pixels)[0]
            for function in (sequential_distances, vmapped_distances)
        )
    torch.testing.assert_close(one, other)


def test_the_gradient_of_real_images_is_the_same_in_chunks() -> None:
    network, _, pixels, _ = setting(ConvNet(width=4), count=7)
    of_class = pixels[1].detach()
    whole = class_mean_gradient(network, network, [of_class], 1, 7)
    chunks = class_mean_gradient(network, network, of_class.split(3), 1, 7)
    torch.testing.assert_close(chunks, whole)
    assert not any(part.requires_grad for part in whole)


class Dropping(Classifier):
    """A network with dropout and an unused parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.classifier, self.unused = nn.Dropout(0.3), nn.Linear(3 * 16 * 16, 3), nn.Linear(1, 2)

    def embed(self, pictures: Tensor) -> Tensor:
        dropped: Tensor = self.drop(pictures.flatten(1))
        return dropped


@dataclass(frozen=True)
class DroppingSpec(NetworkSpec):
    def layers(self, image_shape: tuple[int, int, int], num_classes: int) -> Classifier:
        return Dropping()


def test_networks_without_vmap_support_are_matched_class_by_class() -> None:
    network = DroppingSpec().build((3, 16, 16), 3, Rng(0))
    assert not supports_vmap(network, (3, 16, 16))
    one, other = (
        condense(dc(networks=Fresh(DroppingSpec()), classes_at_a_time=k), images(), 2, compute=Compute(**CPU))  # type: ignore[arg-type]
        for k in (None, 3)
    )
    assert torch.equal(one.images, other.images)
    assert one.images.isfinite().all()


def test_batch_norm_sees_real_images_once_and_is_then_frozen() -> None:
    network = ConvNet(width=4, norm="batch").build((3, 16, 16), 3, Rng(0))
    norm = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    with frozen_batch_norm(network, lambda: torch.randn(48, 3, 16, 16)):
        assert network.training
        assert not norm.training
        assert norm.num_batches_tracked == 1
        before = norm.running_mean.clone()  # type: ignore[union-attr]
        network(torch.randn(5, 3, 16, 16))
        assert torch.equal(norm.running_mean, before)  # type: ignore[arg-type]
    assert norm.training


@pytest.mark.parametrize(
    ("counts", "most", "groups"),
    [
        ([2, 2, 2, 2, 2], 2, [2, 2, 1]),
        ([2, 2, 3, 3, 2], 9, [2, 2, 1]),
        ([1, 1, 1], 1, [1, 1, 1]),
    ],
)
def test_classes_of_a_group_have_equal_counts(counts: list[int], most: int, groups: list[int]) -> None:
    groups_found = group_equal_counts(counts, most)
    assert [len(group) for group in groups_found] == groups
    assert [place for group in groups_found for place in group] == list(range(len(counts)))


@pytest.mark.parametrize(
    ("ipc", "loops"),
    [
        *((1, (1, 1)), (10, (10, 50)), (20, (20, 25)), (30, (30, 20)), (40, (40, 15)), (50, (50, 10))),  # published
        *((5, (5, 23)), (15, (15, 38)), (35, (35, 18)), (100, (100, 2)), (75, (75, 6)), (1000, (100, 2))),
    ],
)
def test_loops_by_images_per_class(ipc: int, loops: tuple[int, int]) -> None:
    assert loops_for(dict.fromkeys(range(10), ipc)) == loops
    assert (DC.paper(ipc).outer_loops, DC.paper(ipc).inner_loops) == loops


def test_uneven_classes_use_the_mean_count() -> None:
    assert loops_for({0: 5, 1: 15, 2: 10}) == (10, 50)


def test_dsa_has_other_loops_for_cifar100() -> None:
    assert SiameseDC().loops(dict.fromkeys(range(100), 50)) == (10, 10)
    assert DC().loops(dict.fromkeys(range(100), 50)) == SiameseDC().loops(dict.fromkeys(range(10), 50)) == (50, 10)
    assert SiameseDC(outer_loops=3).loops(dict.fromkeys(range(100), 50)) == (3, 10)


def test_the_loops_of_a_run() -> None:
    real = images(30)
    made = [
        dc(**loops).init(real, images_per_class(real, 10), Rng(0), DOUBLE) for loops in ({}, {"outer_loops": None, "inner_loops": None})
    ]
    assert [state.loops for state in made] == [(2, 2), (10, 50)]


def test_published_settings() -> None:
    assert DC.paper(10) == DC(outer_loops=10, inner_loops=50, start="noise", augmentation=None, lr=0.1, momentum=0.5)
    assert SiameseDC.paper(10) == SiameseDC(outer_loops=10, inner_loops=50, start="real", augmentation=DSA())
    assert SiameseDC.paper(50, classes=100) == SiameseDC(outer_loops=10, inner_loops=10)
    assert SiameseDC.paper(50) == SiameseDC(outer_loops=50, inner_loops=10)


@pytest.mark.slow
def test_the_loss_falls() -> None:
    losses: list[float] = []
    method = dc(steps=60, lr=1.0, batch_per_class=40, outer_loops=1)
    condense(method, images(40), 2, compute=Compute(**CPU), observers=[lambda m: losses.append(m.loss or 0)])  # type: ignore[arg-type]
    assert sum(losses[-5:]) < 0.9 * sum(losses[1:6])


def test_bfloat16_applies_to_real_images_and_training_only() -> None:
    state = dc().init(images(), IPC, Rng(0), Compute(device="cpu", precision="bfloat16", compile="never"))
    assert isinstance(state, DCState)
    assert state.model.forward_each(torch.zeros(1, 2, 3, 16, 16)).dtype == torch.bfloat16
    assert state.network(torch.zeros(2, 3, 16, 16)).dtype == torch.float32


def pixel_gradient(logits: Callable[[Tensor], Tensor], network: Classifier, real: ImageSet, seed: int) -> Tensor:
    """Gradient of one random image per class, for the target gradient that ``logits`` gives."""
    draw = real.draw(16, Rng(seed))
    parts = [
        class_mean_gradient(logits, network, [real.inputs(draw.indices[draw.class_index == place])], place, 16) for place in real.classes
    ]
    pixels = Rng(0).child("pixels").normal((3, 1, 3, 16, 16)).requires_grad_()
    target = [torch.stack(part) for part in zip(*parts, strict=True)]
    loss = sequential_distances(layerwise_cosine, target, network, pixels, torch.arange(3)[:, None]).sum()
    return torch.autograd.grad(loss, pixels)[0]


def test_bfloat16_error_is_small_against_batch_noise() -> None:
    real, network = images(40), ConvNet(width=32).build((3, 16, 16), 3, Rng(2))
    rounded = Compute(device="cpu", precision="bfloat16", compile="never").wrap(network)
    exact = pixel_gradient(network, network, real, 0)
    apart = [
        float((other - exact).norm() / exact.norm())
        for other in (pixel_gradient(rounded, network, real, 0), pixel_gradient(network, network, real, 1))
    ]
    assert 0 < apart[0] < 0.05
    assert apart[0] < apart[1] / 3


@pytest.mark.slow
def test_compiling_changes_rounding_only() -> None:
    plain, compiled = (
        condense(dc(network_batch=256), images(), 2, compute=Compute(device="cpu", precision="float32", compile=compile_))  # type: ignore[arg-type]
        for compile_ in ("never", "always")
    )
    torch.testing.assert_close(compiled.images, plain.images, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_classes() -> None:
    program = """
import resource, sys
from condensation import DC, Compute, ConvNet, Fresh, condense
from tests.small import images
real = images(2, classes=100, shape=(3, 8, 8)).select(range(int(sys.argv[1])))
method = DC(steps=1, batch_per_class=2, outer_loops=1, networks=Fresh(ConvNet(width=256, depth=2)))
condense(method, real, 1, compute=Compute(device="cpu", precision="float32", compile="never"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = [
        int(subprocess.run([sys.executable, "-c", program, str(k)], capture_output=True, text=True, check=True).stdout) for k in (5, 100)
    ]
    # The network has 0.7 million parameters (2.6 MB): the gradients of real images of 95 classes more would be 250 MB.
    assert peaks[1] - peaks[0] < 60_000
