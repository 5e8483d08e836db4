"""Syllabus as a function that can be differentiated: what a learner knows in the end, by what it was shown and how fast it learned.

A learner is trained by SGD for some steps, and judged by a weighted sum of losses after some of them. `meta_gradient` gives the gradient of
that sum in whatever lessons and rates depend on (the parameters of a generator, say), exactly, through every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor
from torch.func import functional_call

from condensation.core.rng import Rng
from condensation.matching.class_gradients import trainable_parameters
from condensation.networks.base import Classifier, seeded
from condensation.networks.weight_norm import MeanOnlyBatchNorm

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class InnerBatch:
    """What a learner is shown in one step, and how it learns from it. Each part may carry a graph."""

    images: Tensor  # (n, c, h, w), what a network sees
    labels: Tensor  # (n,)
    lr: Tensor  # scalar
    momentum: Tensor  # scalar


@dataclass(frozen=True)
class OuterBatch:
    """Real images after a step: the cross-entropy of ``images`` (n, c, h, w) and ``labels`` (n,) counts ``weight`` times."""

    images: Tensor
    labels: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Progress:
    """All that a learner takes from one step to the next."""

    weights: Tensors  # by the names of the network's parameters
    velocity: Tensors  # of SGD with momentum, by the same names
    statistics: Tensors  # the network's buffers, such as the running means of batch norm; some have a graph, see `traced`

    def detached(self) -> Progress:
        """The same without a graph, as something to differentiate by."""
        weights, velocity = (
            {name: tensor.detach().requires_grad_() for name, tensor in part.items()} for part in (self.weights, self.velocity)
        )
        return Progress(weights, velocity, {name: _alone(buffer) for name, buffer in self.statistics.items()})

    def tensors(self) -> list[Tensor]:
        """Weights, then velocities, then statistics that have a graph: what can be differentiated."""
        traced = (buffer for buffer in self.statistics.values() if buffer.requires_grad)
        return [*self.weights.values(), *self.velocity.values(), *traced]


def beginning(network: Classifier) -> Progress:
    """Where training begins: the weights that ``network`` has, at rest."""
    weights = {name: parameter.detach().clone() for name, parameter in trainable_parameters(network).items()}
    statistics = {name: buffer.detach().clone() for name, buffer in network.named_buffers()}
    return Progress(weights, {name: torch.zeros_like(weight) for name, weight in weights.items()}, statistics)


def logits_of(network: Classifier, progress: Progress, images: Tensor) -> Tensor:
    """Logits (n, classes) of ``network`` with the weights and statistics of ``progress``; in training mode it changes the statistics."""
    logits: Tensor = functional_call(network, {**progress.weights, **progress.statistics}, (images,))
    return logits


def inner_step(network: Classifier, progress: Progress, lesson: InnerBatch, rng: Rng, *, graph: bool = False) -> Progress:
    """One step of SGD on the cross-entropy of ``lesson``, as `torch.optim.SGD` takes it: ``v = m v + g``, ``w = w - lr v``.

    With ``graph`` the result depends on the lesson and on what was before; running statistics do where they are `traced`, else they
    count as constants. What the network draws in training mode, as dropout does, ``rng`` decides.
    """
    network.train()
    own = progress if graph else progress.detached()
    # Copies, for a norm changes them in place.
    changed = {name: (buffer if graph else buffer.detach()).clone() for name, buffer in own.statistics.items()}
    own = replace(own, statistics=changed)
    with torch.enable_grad(), seeded(network, rng), traced(network):
        loss = F.cross_entropy(logits_of(network, own, lesson.images), lesson.labels)
        gradient = torch.autograd.grad(loss, list(own.weights.values()), create_graph=graph, allow_unused=True, materialize_grads=True)
    with torch.set_grad_enabled(graph):
        velocity = {
            name: lesson.momentum * speed + of_weight for (name, speed), of_weight in zip(own.velocity.items(), gradient, strict=True)
        }
        weights = {name: weight - lesson.lr * velocity[name] for name, weight in own.weights.items()}
    return Progress(weights, velocity, {name: buffer if graph else _alone(buffer) for name, buffer in own.statistics.items()})


def _alone(buffer: Tensor) -> Tensor:
    """Without its graph, and something to differentiate by if it had one."""
    return buffer.detach().requires_grad_(buffer.requires_grad)


@contextmanager
def traced(network: Classifier) -> Iterator[None]:
    """Let norms whose running statistics can have a graph, mean-only batch norm, give them one; PyTorch's own kinds cannot."""
    norms = [module for module in network.modules() if isinstance(module, MeanOnlyBatchNorm)]
    for norm in norms:
        norm.traced = True
    try:
        yield
    finally:
        for norm in norms:
            norm.traced = False


def outer_loss(network: Classifier, progress: Progress, exam: OuterBatch) -> Tensor:
    """The cross-entropy, times its weight, of a learner in evaluation mode: as it is tested in the end."""
    network.eval()
    return exam.weight * F.cross_entropy(logits_of(network, progress, exam.images), exam.labels)


@dataclass(frozen=True)
class UnrolledTraining:
    """Lessons and exams by the number of the step, from 0 to ``steps``; each may be asked for more than once, and must be the same then."""

    steps: int
    lesson: Callable[[int], InnerBatch]
    exam: Callable[[int], OuterBatch | None]  # after the step of that number

    def stride(self, keep_every: int | None) -> int:
        """Steps between two states that are kept; by default the square root of all."""
        return keep_every or max(1, math.isqrt(self.steps))


def meta_loss(network: Classifier, start: Progress, syllabus: UnrolledTraining, rng: Rng) -> Tensor:
    """The loss over all exams with its whole graph: memory grows with the steps. The plain form of `meta_gradient`."""
    losses, progress = [], start.detached()
    for step in range(syllabus.steps):
        progress = inner_step(network, progress, syllabus.lesson(step), rng.child("dropout", step), graph=True)
        exam = syllabus.exam(step)
        if exam is not None:
            losses.append(outer_loss(network, progress, exam))
    return torch.stack(losses).sum()


def meta_gradient(
    network: Classifier, start: Progress, syllabus: UnrolledTraining, by: Sequence[Tensor], rng: Rng, keep_every: int | None = None
) -> tuple[Tensor, list[Tensor]]:
    """The loss over all exams, and its gradient in each tensor of ``by``, as of `meta_loss`.

    The training is gone through once without a graph, keeping the weights of every ``keep_every``-th step. Then it is gone through
    backwards: from a state that was kept, the weights up to the next are made again, and each step of these is differentiated alone.
    So the graph is never longer than a step, and of weights there are twice the square root of the number of steps. Of three
    passes over lessons two are without a graph.
    """
    stride = syllabus.stride(keep_every)
    kept = {0: start.detached()}
    with torch.no_grad():
        progress = kept[0]
        for step in range(syllabus.steps - 1):  # where the last one leads is not needed here
            progress = inner_step(network, progress, syllabus.lesson(step), rng.child("dropout", step))
            if (step + 1) % stride == 0:
                kept[step + 1] = progress
    total = by[0].new_zeros(())
    gradient = [torch.zeros_like(tensor) for tensor in by]
    after: list[Tensor] | None = None  # the gradient in weights and velocities after a step
    for first in sorted(kept, reverse=True):
        befores = list(_again(network, kept.pop(first), syllabus, range(first, min(first + stride, syllabus.steps)), rng))
        while befores:
            step = first + len(befores) - 1
            before = befores.pop().detached()
            loss, pairs = _outcome(network, before, syllabus, step, rng, after)
            if not pairs:
                continue  # nothing that comes later is examined
            sources = [*before.tensors(), *by]
            outputs, weights = zip(*pairs, strict=True)
            found = torch.autograd.grad(outputs, sources, weights, allow_unused=True, materialize_grads=True)
            after = list(found[: len(before.tensors())])
            for sum_, part in zip(gradient, found[len(after) :], strict=True):
                sum_ += part
            total += loss
    return total, gradient


def _again(network: Classifier, progress: Progress, syllabus: UnrolledTraining, steps: range, rng: Rng) -> Iterator[Progress]:
    """The state before each of ``steps``; the first is given."""
    yield progress
    for step in steps[:-1]:
        with torch.no_grad():
            progress = inner_step(network, progress, syllabus.lesson(step), rng.child("dropout", step))
        yield progress


def _outcome(
    network: Classifier, before: Progress, syllabus: UnrolledTraining, step: int, rng: Rng, after: list[Tensor] | None
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """The exam's loss after ``step``, and each result of the step with the gradient of the whole loss in it."""
    exam = syllabus.exam(step)
    loss = before.tensors()[0].new_zeros(())
    pairs: list[tuple[Tensor, Tensor]] = []
    if exam is None and after is None:
        return loss, pairs
    result = inner_step(network, before, syllabus.lesson(step), rng.child("dropout", step), graph=True)
    if after is not None:
        pairs += zip(result.tensors(), after, strict=True)
    if exam is not None:
        judged = outer_loss(network, result, exam)
        pairs.append((judged, torch.ones_like(judged)))
        loss = judged.detach()
    return loss, pairs


@contextmanager
def swapped_weights(network: Classifier, progress: Progress) -> Iterator[Classifier]:
    """``network`` with the weights and statistics of ``progress``, in evaluation mode, for as long as the block lasts."""
    own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict({**own, **progress.weights, **progress.statistics})
    network.eval()
    try:
        yield network
    finally:
        network.load_state_dict(own)
