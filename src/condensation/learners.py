"""Networks under training: one alone, or several of one architecture stacked, so that one call computes them all."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from condensation.compute import Compute
from condensation.images import Shape
from condensation.networks.base import Classifier, draws_numbers, initialise, seeded
from condensation.rng import Rng

logger = logging.getLogger(__name__)


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

    def __init__(self, network: Classifier, compute: Compute = Compute(compile="never"), shape: Shape = (1, 1, 1), images: int = 0) -> None:
        self.network = network
        self._logits = compute.run(network, shape, images)

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

    def __init__(self, network: Classifier, count: int, compute: Compute, shape: Shape, images: int) -> None:
        self.network, self.count = network, count
        self._stack = {
            name: parameter.detach().expand(count, *parameter.shape).clone().requires_grad_()
            for name, parameter in network.named_parameters()
        }
        self._own = compute.run(vmap(self._one), shape, images)
        self._same = compute.run(vmap(self._one, in_dims=(0, None)), shape, images)

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
