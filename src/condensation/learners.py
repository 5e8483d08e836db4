"""Networks under training: one alone, or several of one architecture stacked, so that one call computes them all."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from condensation.compute import Compute
from condensation.images import Shape
from condensation.networks.base import Classifier, NetworkSpec, draws_numbers, initialise, seeded
from condensation.rng import Rng

logger = logging.getLogger(__name__)


KEPT = 8


class Learners(ABC):
    """``count`` networks of one architecture that go through training and testing together."""

    count: int

    @abstractmethod
    def begin(self, rngs: Sequence[Rng]) -> None:
        """Give each network the weights that its stream decides."""

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """What an optimiser changes."""

    @abstractmethod
    def train(self, mode: bool) -> None:
        """Turn to training, or to testing."""

    @abstractmethod
    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        """Where networks draw numbers of their own, let these streams decide them."""

    @abstractmethod
    def on_own(self, images: Tensor) -> Tensor:
        """Logits (count, n, classes) of images (count, n, c, h, w): each network sees its own."""

    @abstractmethod
    def on_same(self, images: Tensor) -> Tensor:
        """Logits (count, n, classes) of images (n, c, h, w): all networks see the same."""


class Alone(Learners):
    """One network, as it is."""

    count = 1

    def __init__(self, network: Classifier, compute: Compute = Compute(compile="never")) -> None:
        self.network = network
        self._logits = compute.run(network)

    def begin(self, rngs: Sequence[Rng]) -> None:
        initialise(self.network, rngs[0])

    def parameters(self) -> list[Tensor]:
        return list(self.network.parameters())

    def train(self, mode: bool) -> None:
        self.network.train(mode)

    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        return seeded(self.network, rngs[0])

    def on_own(self, images: Tensor) -> Tensor:
        return self._logits(images[0])[None]

    def on_same(self, images: Tensor) -> Tensor:
        return self._logits(images)[None]


class Stacked(Learners):
    """Networks whose parameters lie on top of each other: every operation is done once for all of them.

    On a GPU, which a batch of a few hundred small images does not fill, this is what makes judging fast. It needs a
    network that keeps no statistics and draws no numbers; see `can_be_stacked`.
    """

    def __init__(self, network: Classifier, count: int, compute: Compute) -> None:
        self.network, self.count = network, count
        self._stack = {
            name: parameter.detach().expand(count, *parameter.shape).clone().requires_grad_()
            for name, parameter in network.named_parameters()
        }
        self._own = compute.run(vmap(self._one))
        self._same = compute.run(vmap(self._one, in_dims=(0, None)))

    def _one(self, parameters: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.network, parameters, (images,))
        return logits

    def begin(self, rngs: Sequence[Rng]) -> None:
        for place, rng in enumerate(rngs):
            initialise(self.network, rng)
            with torch.no_grad():
                for name, parameter in self.network.named_parameters():
                    self._stack[name][place].copy_(parameter)

    def parameters(self) -> list[Tensor]:
        return list(self._stack.values())

    def train(self, mode: bool) -> None:
        self.network.train(mode)

    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        return nullcontext()

    def on_own(self, images: Tensor) -> Tensor:
        return self._own(self._stack, images)

    def on_same(self, images: Tensor) -> Tensor:
        return self._same(self._stack, images)


def can_be_stacked(network: Classifier, shape: Shape) -> bool:
    """Whether `Stacked` can compute ``network``: no batch norm, no dropout, nothing that torch cannot vectorise."""
    if list(network.buffers()) or draws_numbers(network):
        return False
    parameters = {name: parameter.detach()[None] for name, parameter in network.named_parameters()}
    try:
        with torch.no_grad():
            images = next(iter(parameters.values())).new_zeros(1, 2, *shape)
            vmap(lambda of_one, image: functional_call(network, of_one, (image,)))(parameters, images)
    except Exception as error:  # whatever a person's own module meets; it is then computed as it is
        logger.info("Networks are trained one by one: %s cannot be stacked (%s).", type(network).__name__, error)
        return False
    return True


def learners_of(network: NetworkSpec, shape: Shape, num_classes: int, count: int, compute: Compute) -> Learners:
    """``count`` networks under training; one if they cannot be stacked.

    The last few are kept and given out again, for compiling takes longer than training on a small set: their weights
    mean nothing before `Learners.begin`. Threads don't share them.
    """
    try:
        return _kept(network, shape, num_classes, count, compute, threading.get_ident())
    except TypeError:  # a person's own architecture that has no hash
        return _made(network, shape, num_classes, count, compute)


@lru_cache(KEPT)
def _kept(network: NetworkSpec, shape: Shape, num_classes: int, count: int, compute: Compute, thread: int) -> Learners:
    return _made(network, shape, num_classes, count, compute)


def _made(network: NetworkSpec, shape: Shape, num_classes: int, count: int, compute: Compute) -> Learners:
    # One module serves all networks, newly initialised each time, so that it is compiled once.
    module = network.build(shape, num_classes, Rng(0)).to(compute.device, compute.dtype)
    if count == 1:
        return Alone(module, compute)
    return Stacked(module, count, compute) if can_be_stacked(module, shape) else learners_of(network, shape, num_classes, 1, compute)
