"""Gradients through training: the loss of a trained network as a differentiable function of its training batches and learning rates.

A learner is trained by SGD for some steps; the outer loss is a weighted sum of its losses on other images after some of the steps.
`meta_gradient` computes the exact gradient of the outer loss with respect to any tensors on which the training batches and
rates depend, such as the parameters of a generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor
from torch.func import functional_call

from condensation.core.rng import Rng
from condensation.matching.class_gradients import trainable_parameters
from condensation.networks.base import Classifier, seeded
from condensation.networks.weight_norm import MeanOnlyBatchNorm

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class InnerBatch:
    """Training batch of one step, with its learning rate and momentum. Each tensor may carry a graph."""

    images: Tensor  # (n, c, h, w), preprocessed
    labels: Tensor  # (n,)
    lr: Tensor  # scalar
    momentum: Tensor  # scalar


@dataclass(frozen=True)
class OuterBatch:
    """Batch of the outer loss after a step: the cross-entropy of ``images`` (n, c, h, w) with ``labels`` (n,), times ``weight``."""

    images: Tensor
    labels: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class LearnerState:
    """State of a learner between two steps."""

    weights: Tensors  # by parameter name
    velocity: Tensors  # of SGD with momentum, by parameter name
    statistics: Tensors  # buffers such as running means of batch norm; some carry a graph, see `traced`

    def detached(self) -> LearnerState:
        """Return a copy detached from the graph whose tensors require gradients."""
        weights, velocity = (
            {name: tensor.detach().requires_grad_() for name, tensor in part.items()} for part in (self.weights, self.velocity)
        )
        return LearnerState(weights, velocity, {name: _detached(buffer) for name, buffer in self.statistics.items()})

    def tensors(self) -> list[Tensor]:
        """Return all tensors that require gradients: weights, then velocities, then traced statistics."""
        traced_statistics = (buffer for buffer in self.statistics.values() if buffer.requires_grad)
        return [*self.weights.values(), *self.velocity.values(), *traced_statistics]


def initial_state(network: Classifier) -> LearnerState:
    """Return the state before training: the weights of ``network`` and zero velocity."""
    weights = {name: parameter.detach().clone() for name, parameter in trainable_parameters(network).items()}
    statistics = {name: buffer.detach().clone() for name, buffer in network.named_buffers()}
    return LearnerState(weights, {name: torch.zeros_like(weight) for name, weight in weights.items()}, statistics)


def logits_of(network: Classifier, state: LearnerState, images: Tensor) -> Tensor:
    """Return the logits (n, classes) of ``network`` in ``state``; in training mode, this updates the statistics in place."""
    logits: Tensor = functional_call(network, {**state.weights, **state.statistics}, (images,))
    return logits


def inner_step(network: Classifier, state: LearnerState, batch: InnerBatch, rng: Rng, *, graph: bool = False) -> LearnerState:
    """Return the state after one SGD step on the cross-entropy of ``batch``, like `torch.optim.SGD`: ``v = m v + g``, ``w = w - lr v``.

    With ``graph``, the result is differentiable in batch and state, and statistics if `traced`. ``rng`` is the stream of dropout.
    """
    network.train()
    before = state if graph else state.detached()
    # Copies, as norms update them in place.
    statistics = {name: (buffer if graph else buffer.detach()).clone() for name, buffer in before.statistics.items()}
    before = replace(before, statistics=statistics)
    with torch.enable_grad(), seeded(network, rng), traced(network):
        loss = F.cross_entropy(logits_of(network, before, batch.images), batch.labels)
        gradients = torch.autograd.grad(loss, list(before.weights.values()), create_graph=graph, allow_unused=True, materialize_grads=True)
    with torch.set_grad_enabled(graph):
        velocity = {name: batch.momentum * speed + grad for (name, speed), grad in zip(before.velocity.items(), gradients, strict=True)}
        weights = {name: weight - batch.lr * velocity[name] for name, weight in before.weights.items()}
    return LearnerState(weights, velocity, {name: buffer if graph else _detached(buffer) for name, buffer in before.statistics.items()})


def _detached(buffer: Tensor) -> Tensor:
    """Return ``buffer`` detached from its graph; it requires gradients if it did before."""
    return buffer.detach().requires_grad_(buffer.requires_grad)


@contextmanager
def traced(network: Classifier) -> Iterator[None]:
    """Keep the graph of running statistics in mean-only batch norm; PyTorch's norms do not support it."""
    norms = [module for module in network.modules() if isinstance(module, MeanOnlyBatchNorm)]
    for norm in norms:
        norm.traced = True
    try:
        yield
    finally:
        for norm in norms:
            norm.traced = False


def outer_loss(network: Classifier, state: LearnerState, batch: OuterBatch) -> Tensor:
    """Return the weighted cross-entropy of a learner on ``batch``, in evaluation mode."""
    network.eval()
    return batch.weight * F.cross_entropy(logits_of(network, state, batch.images), batch.labels)


@dataclass(frozen=True)
class UnrolledTraining:
    """Training for ``steps`` steps. The functions are called several times per step and must return the same result each time."""

    steps: int
    inner_batch: Callable[[int], InnerBatch]  # by step, from 0
    outer_batch: Callable[[int], OuterBatch | None]  # after that step


def meta_gradient(
    network: Classifier, start: LearnerState, unrolled: UnrolledTraining, by: Sequence[Tensor], rng: Rng, keep_every: int | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Return the outer loss and its gradient with respect to each tensor of ``by``.

    A first pass trains without a graph and stores every ``keep_every``-th state (None: the square root of the steps). The backward pass
    goes from the last stored state to the first: it recomputes the states up to the next stored one and differentiates each step alone.
    So the graph spans one step, and about 2 * sqrt(steps) states are in memory.
    """
    stride = keep_every or max(1, math.isqrt(unrolled.steps))
    stored = {0: start.detached()}
    with torch.no_grad():
        state = stored[0]
        for step in range(unrolled.steps - 1):  # the state after the last step is not needed
            state = inner_step(network, state, unrolled.inner_batch(step), rng.child("dropout", step))
            if (step + 1) % stride == 0:
                stored[step + 1] = state
    total = by[0].new_zeros(())
    gradient = [torch.zeros_like(tensor) for tensor in by]
    after: list[Tensor] | None = None  # gradient with respect to the state after a step
    for first in sorted(stored, reverse=True):
        states = list(_recomputed(network, stored.pop(first), unrolled, range(first, min(first + stride, unrolled.steps)), rng))
        while states:
            step = first + len(states) - 1
            before = states.pop().detached()
            loss, outputs = _step_outputs(network, before, unrolled, step, rng, after)
            if not outputs:
                continue  # no outer batch from here on
            inputs = [*before.tensors(), *by]
            values, factors = zip(*outputs, strict=True)
            gradients = torch.autograd.grad(values, inputs, factors, allow_unused=True, materialize_grads=True)
            after = list(gradients[: len(before.tensors())])
            for sum_, part in zip(gradient, gradients[len(after) :], strict=True):
                sum_ += part
            total += loss
    return total, gradient


def _recomputed(network: Classifier, state: LearnerState, unrolled: UnrolledTraining, steps: range, rng: Rng) -> Iterator[LearnerState]:
    """Yield the state before each of ``steps``, beginning with ``state``."""
    yield state
    for step in steps[:-1]:
        with torch.no_grad():
            state = inner_step(network, state, unrolled.inner_batch(step), rng.child("dropout", step))
        yield state


def _step_outputs(
    network: Classifier, before: LearnerState, unrolled: UnrolledTraining, step: int, rng: Rng, after: list[Tensor] | None
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return the outer loss after ``step``, and each output of the step with the gradient of the total loss with respect to it."""
    outer_batch = unrolled.outer_batch(step)
    loss = before.tensors()[0].new_zeros(())
    outputs: list[tuple[Tensor, Tensor]] = []
    if outer_batch is None and after is None:
        return loss, outputs
    state = inner_step(network, before, unrolled.inner_batch(step), rng.child("dropout", step), graph=True)
    if after is not None:
        outputs += zip(state.tensors(), after, strict=True)
    if outer_batch is not None:
        weighted = outer_loss(network, state, outer_batch)
        outputs.append((weighted, torch.ones_like(weighted)))
        loss = weighted.detach()
    return loss, outputs


@contextmanager
def swapped_weights(network: Classifier, state: LearnerState) -> Iterator[Classifier]:
    """Put the weights and statistics of ``state`` into ``network``, in evaluation mode, within the block."""
    original = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict({**original, **state.weights, **state.statistics})
    network.eval()
    try:
        yield network
    finally:
        network.load_state_dict(original)
