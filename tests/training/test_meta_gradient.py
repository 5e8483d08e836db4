"""Meta-gradients against plain unrolling and finite differences, and their memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from condensation import NETWORKS, ConvNet, NetworkSpec, Rng
from condensation.networks.base import Classifier
from condensation.networks.layers import Stack
from condensation.networks.lenet import LeNet
from condensation.networks.mlp import MLP
from condensation.networks.weight_norm import MeanOnlyBatchNorm, NormedConv, WeightNormConvNet
from condensation.training.meta_gradient import (
    InnerBatch,
    LearnerState,
    OuterBatch,
    UnrolledTraining,
    initial_state,
    inner_step,
    logits_of,
    meta_gradient,
    outer_loss,
    swapped_weights,
)

SHAPE = (1, 8, 8)
NUMBERS = Rng(3)


class Dropping(Classifier):
    """A network with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop, self.classifier = nn.Linear(64, 6), nn.Dropout(0.5), nn.Linear(6, 3)

    def embed(self, images: Tensor) -> Tensor:
        dropped: Tensor = self.drop(torch.tanh(self.hidden(images.flatten(1))))
        return dropped


def built(spec: NetworkSpec, shape: tuple[int, int, int] = SHAPE) -> Classifier:
    return spec.build(shape, 3, Rng(0)).double()


def dropping() -> Classifier:
    network = Dropping().double()
    network.redraw(Rng(0))
    return network


def smooth() -> Classifier:
    """A smooth network, for finite differences."""
    network = Stack([nn.Conv2d(1, 3, 3), nn.GroupNorm(3, 3), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten()], 27, 3).double()
    network.redraw(Rng(0))
    return network


def unrolled_training(
    steps: int, after_every_step: bool = True, shape: tuple[int, int, int] = SHAPE, size: int = 4
) -> tuple[UnrolledTraining, list[Tensor]]:
    """A training whose batches and rates are functions of a few tensors, and these tensors."""
    latents = NUMBERS.child("latents").normal((steps, size, 5)).double().requires_grad_()
    shared = NUMBERS.child("shared").normal((5, shape[0] * shape[1] * shape[2])).double().requires_grad_()
    log_lr = torch.full((steps,), -2.0, dtype=torch.float64, requires_grad=True)
    log_momentum = torch.full((steps,), -0.5, dtype=torch.float64, requires_grad=True)

    def labels(stream: str, step: int, count: int) -> Tensor:
        return torch.from_numpy(NUMBERS.child(stream, step).generator().integers(0, 3, count))

    def inner_batch(step: int) -> InnerBatch:
        images = torch.tanh(latents[step] @ shared).view(size, *shape)
        return InnerBatch(images, labels("of lesson", step, size), log_lr[step].exp(), log_momentum[step].exp())

    def outer_batch(step: int) -> OuterBatch | None:
        if not after_every_step and step != steps - 1:
            return None
        return OuterBatch(NUMBERS.child("real", step).normal((6, *shape)).double(), labels("of exam", step, 6), 0.5 + step)

    return UnrolledTraining(steps, inner_batch, outer_batch), [latents, shared, log_lr, log_momentum]


def meta_loss(network: Classifier, start: LearnerState, unrolled: UnrolledTraining, rng: Rng) -> Tensor:
    """The outer loss with its whole graph: the plain form of `meta_gradient`."""
    losses, state = [], start.detached()
    for step in range(unrolled.steps):
        state = inner_step(network, state, unrolled.inner_batch(step), rng.child("dropout", step), graph=True)
        batch = unrolled.outer_batch(step)
        if batch is not None:
            losses.append(outer_loss(network, state, batch))
    return torch.stack(losses).sum()


def assert_like_the_plain_one(network: Classifier, steps: int, keep_every: int | None, **how: Any) -> None:
    unrolled, by = unrolled_training(steps, **how)
    start = initial_state(network)
    loss = meta_loss(network, start, unrolled, Rng(1))
    plain = torch.autograd.grad(loss, by)
    ours, gradient = meta_gradient(network, start, unrolled, by, Rng(1), keep_every)
    torch.testing.assert_close(ours, loss.detach(), rtol=1e-12, atol=0)
    for one, other in zip(gradient, plain, strict=True):
        assert other.abs().sum() > 0 or steps == 1  # a first step has no momentum
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("keep_every", [None, 1, 2, 3, 7, 20])
def test_the_gradient_equals_plain_unrolling(keep_every: int | None) -> None:
    assert_like_the_plain_one(built(MLP(width=6)), 7, keep_every)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("after_every_step", [True, False])
def test_the_gradient_for_any_number_of_steps_and_outer_batches(steps: int, after_every_step: bool) -> None:
    assert_like_the_plain_one(built(MLP(width=6)), steps, None, after_every_step=after_every_step)


@pytest.mark.parametrize(
    "spec",
    [
        ConvNet(width=4),
        ConvNet(width=4, norm="batch", depth=1),
        WeightNormConvNet((3, 4), 5),
        ConvNet(width=4, norm="layer", pooling="max"),
    ],
)
def test_the_gradient_with_convolutions_and_norms(spec: NetworkSpec) -> None:
    assert_like_the_plain_one(built(spec), 4, None)


def test_the_gradient_with_dropout() -> None:
    assert_like_the_plain_one(dropping(), 6, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_for_every_network(name: str) -> None:
    shape = (3, 32, 32)
    unrolled, by = unrolled_training(2, shape=shape, size=3)
    network = built(NETWORKS[name], shape)
    plain = torch.autograd.grad(meta_loss(network, initial_state(network), unrolled, Rng(1)), by)
    _, gradient = meta_gradient(network, initial_state(network), unrolled, by, Rng(1))
    for one, other in zip(gradient, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


def normed() -> Classifier:
    """A network with mean-only batch norm, whose running mean affects the outer loss."""
    network = Stack([NormedConv(1, 3), MeanOnlyBatchNorm(3, momentum=0.4), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten()], 48, 3).double()
    network.redraw(Rng(0))
    return network


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("make", [smooth, normed])
def test_the_gradient_equals_finite_differences(make: Callable[[], Classifier], which: int) -> None:
    network = make()
    unrolled, by = unrolled_training(3)
    start = initial_state(network)
    _, gradient = meta_gradient(network, start, unrolled, by, Rng(1))
    direction = NUMBERS.child("direction").normal(tuple(by[which].shape)).double()

    def loss_at(distance: float) -> Tensor:
        with torch.no_grad():
            by[which].add_(distance * direction)
            loss = meta_loss(network, start, unrolled, Rng(1)).detach()
            by[which].sub_(distance * direction)
        return loss

    slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5
    torch.testing.assert_close((gradient[which] * direction).sum(), slope, rtol=1e-6, atol=1e-9)


def test_a_step_equals_torch_sgd() -> None:
    network = built(LeNet(), (1, 28, 28))
    state = initial_state(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.8)
    network.train()
    for step in range(3):
        images = NUMBERS.child("images", step).normal((5, 1, 28, 28)).double()
        labels = torch.tensor([0, 1, 2, 1, 0])
        batch = InnerBatch(images, labels, torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64))
        state = inner_step(network, state, batch, Rng(0))
        optimizer.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(state.weights[name], parameter.detach(), rtol=1e-12, atol=1e-14)


def test_the_network_is_unchanged() -> None:
    network = built(ConvNet(width=4, norm="batch", depth=1))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    unrolled, by = unrolled_training(3)
    meta_gradient(network, initial_state(network), unrolled, by, Rng(1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_outer_loss_uses_running_statistics() -> None:
    network = built(ConvNet(width=4, norm="batch", depth=1))
    unrolled, _ = unrolled_training(1)
    state = inner_step(network, initial_state(network), unrolled.inner_batch(0), Rng(0))
    outer_batch = unrolled.outer_batch(0)
    assert outer_batch is not None
    one_by_one = [outer_loss(network, state, OuterBatch(outer_batch.images[i : i + 1], outer_batch.labels[i : i + 1])) for i in range(6)]
    torch.testing.assert_close(torch.stack(one_by_one).mean(), outer_loss(network, state, replace(outer_batch, weight=1.0)))


def test_swapped_weights_are_restored() -> None:
    network = built(ConvNet(width=4, norm="batch", depth=1))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    unrolled, _ = unrolled_training(1)
    state = inner_step(network, initial_state(network), unrolled.inner_batch(0), Rng(0))
    images = unrolled.inner_batch(0).images
    with swapped_weights(network, state), torch.no_grad():
        seen = network(images)
    network.eval()
    torch.testing.assert_close(seen, logits_of(network, state, images))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Peak(TorchDispatchMode):
    """Peak memory in bytes of the tensors made within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak, self.known = 0, 0, weakref.WeakSet()  # type: ignore[var-annotated]

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        result = function(*arguments, **(named or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage() not in self.known:
                storage, size = tensor.untyped_storage(), tensor.untyped_storage().nbytes()
                self.known.add(storage)
                self.now += size
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._gone, size)
        return result

    def _gone(self, size: int) -> None:
        self.now -= size


def peak(function: Callable[[], object]) -> int:
    with Peak() as memory:
        function()
    return memory.peak


def peaks_of(steps: int) -> tuple[int, int]:
    """Peak bytes of `meta_gradient` and of plain unrolling, without the gradient itself."""
    network = built(MLP(width=32))
    unrolled, by = unrolled_training(steps, after_every_step=False, size=2)
    start, own = initial_state(network), sum(tensor.numel() * tensor.element_size() for tensor in by)
    ours = peak(lambda: meta_gradient(network, start, unrolled, by, Rng(1)))
    plain = peak(lambda: torch.autograd.grad(meta_loss(network, start, unrolled, Rng(1)), by))
    return ours - own, plain - own


@pytest.mark.slow
def test_memory_grows_with_the_square_root_of_the_steps() -> None:
    (few, few_plain), (some, some_plain), (many, many_plain) = (peaks_of(steps) for steps in (16, 64, 256))
    assert some_plain > 3.5 * few_plain  # in proportion to the steps
    assert many_plain > 3.5 * some_plain
    assert some < 2.2 * few
    assert many < 2.2 * some
    assert some < some_plain / 3
