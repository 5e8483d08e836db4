"""Networks under training: one alone, or several of one architecture stacked, so that one call computes them all."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from condensation.core.compute import Compute
from condensation.core.images import Shape
from condensation.core.microbatch import microbatch_size, split
from condensation.core.modules import draws_numbers
from condensation.core.rng import Rng
from condensation.networks.base import Classifier, NetworkSpec, seeded
from condensation.networks.layers import use_pytorch_kernels

logger = logging.getLogger(__name__)


KEPT = 4  # architectures


class ModelBatch(ABC):
    """``count`` networks of one architecture that go through training and testing together."""

    count: int

    @abstractmethod
    def begin(self, rngs: Sequence[Rng]) -> None:
        """Give each network the weights that its stream decides."""

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """What an optimiser changes."""

    @abstractmethod
    def finite(self) -> list[bool]:
        """Of each network, whether all its weights are finite numbers."""

    @abstractmethod
    def train(self, mode: bool) -> None:
        """Turn to training, or to testing."""

    @abstractmethod
    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        """Where networks draw numbers of their own, let these streams decide them."""

    def pieces(self, images: Tensor) -> list[slice]:
        """The places of those of images (count, n, c, h, w) that each had best learn from at a time; gradients add up."""
        return [slice(0, images.shape[1])]

    @abstractmethod
    def forward_each(self, images: Tensor) -> Tensor:
        """Logits (count, n, classes) of images (count, n, c, h, w): each network sees its own."""

    @abstractmethod
    def forward_shared(self, images: Tensor) -> Tensor:
        """Logits (count, n, classes) of images (n, c, h, w): all networks see the same."""


class SingleModel(ModelBatch):
    """One network, as it is."""

    count = 1

    def __init__(self, network: Classifier, compute: Compute = Compute(compile="never")) -> None:
        self.network = network
        self._logits = compute.wrap(network)
        self._buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}

    def begin(self, rngs: Sequence[Rng]) -> None:
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                buffer.copy_(self._buffers[name])
        self.network.redraw(rngs[0])

    def parameters(self) -> list[Tensor]:
        return list(self.network.parameters())

    def finite(self) -> list[bool]:
        return [all(bool(parameter.isfinite().all()) for parameter in self.network.parameters())]

    def train(self, mode: bool) -> None:
        self.network.train(mode)

    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        return seeded(self.network, rngs[0])

    def pieces(self, images: Tensor) -> list[slice]:
        return split(images.shape[1], microbatch_size(self.network, images[0]))

    def forward_each(self, images: Tensor) -> Tensor:
        return self._logits(images[0])[None]

    def forward_shared(self, images: Tensor) -> Tensor:
        return self._logits(images)[None]


class StackedModels(ModelBatch):
    """Networks whose parameters, and statistics of batch norm, lie on top of each other: every operation is done once for all.

    On a GPU, which a batch of a few hundred small images does not fill, this is what makes judging fast. It needs a
    network that `can_be_stacked`.
    """

    def __init__(self, network: Classifier, count: int, compute: Compute) -> None:
        self.network, self.count = network, count
        self._stack = {
            name: parameter.detach().expand(count, *parameter.shape).clone().requires_grad_(parameter.requires_grad)
            for name, parameter in network.named_parameters()
        }
        self._statistics = {name: buffer.detach().expand(count, *buffer.shape).clone() for name, buffer in network.named_buffers()}
        self._own = compute.wrap(vmap(self._one))
        self._same = compute.wrap(vmap(self._one, in_dims=(0, 0, None)))

    def _one(self, parameters: dict[str, Tensor], statistics: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.network, {**parameters, **statistics}, (images,))
        return logits

    def begin(self, rngs: Sequence[Rng]) -> None:
        for place, rng in enumerate(rngs):
            self.network.redraw(rng)  # which begins the statistics of batch norm anew, too
            with torch.no_grad():
                for name, parameter in self.network.named_parameters():
                    self._stack[name][place].copy_(parameter)
                for name, buffer in self.network.named_buffers():
                    self._statistics[name][place] = buffer

    def parameters(self) -> list[Tensor]:
        return list(self._stack.values())

    def finite(self) -> list[bool]:
        of_all = [parameter.detach().isfinite().reshape(self.count, -1).all(1) for parameter in self._stack.values()]
        return [bool(one) for one in torch.stack(of_all).all(0)]

    def train(self, mode: bool) -> None:
        self.network.train(mode)

    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        return nullcontext()

    def forward_each(self, images: Tensor) -> Tensor:
        return self._own(self._stack, self._statistics, images)

    def forward_shared(self, images: Tensor) -> Tensor:
        return self._same(self._stack, self._statistics, images)


def can_be_stacked(network: Classifier, shape: Shape) -> bool:
    """Whether `StackedModels` can compute ``network``: torch can vectorise it, it draws no numbers, and keeps no statistics but batch norm's."""
    parameters = {name: parameter.detach()[None] for name, parameter in network.named_parameters()}
    statistics = {name: buffer.detach()[None].clone() for name, buffer in network.named_buffers()}
    others = [module for module in network.modules() if not isinstance(module, _BatchNorm)]
    try:
        if any(list(module.buffers(recurse=False)) for module in others) or draws_numbers(network):
            raise RuntimeError("it keeps statistics or draws numbers")
        with torch.no_grad():
            images = next(iter(parameters.values())).new_zeros(1, 2, *shape)
            for training, same, seen in ((True, 0, images), (False, None, images[0])):
                network.train(training)
                one = lambda of_one, kept, image: functional_call(network, {**of_one, **kept}, (image,))  # noqa: E731
                vmap(one, in_dims=(0, 0, same))(parameters, statistics, seen)
    except Exception as error:  # whatever a person's own module meets; it is then computed as it is
        logger.info("Networks are trained one by one: %s cannot be stacked (%s).", type(network).__name__, error)
        return False
    return True


class ModelCache:
    """Learners of one architecture: one module, newly initialised each time, so that it is compiled once."""

    def __init__(self, network: NetworkSpec, shape: Shape, num_classes: int, compute: Compute) -> None:
        self.compute = compute
        self.network, self.shape, self.num_classes = network, shape, num_classes
        self.module = self._built()
        self._learners: dict[int, ModelBatch] = {1: SingleModel(self.module, compute)}

    def _built(self) -> Classifier:
        return self.network.build(self.shape, self.num_classes, Rng(0)).to(self.compute.device, self.compute.dtype)

    @cached_property
    def stackable(self) -> bool:
        return can_be_stacked(self.module, self.shape)

    def learners(self, count: int) -> ModelBatch:
        """``count`` networks under training; one if they cannot be stacked."""
        if count not in self._learners:
            self._learners[count] = (
                StackedModels(use_pytorch_kernels(self._built()), count, self.compute) if self.stackable else self._learners[1]
            )
        return self._learners[count]

    def forget(self, learners: ModelBatch) -> None:
        """Give the memory of stacked ``learners`` back."""
        self._learners = {count: kept for count, kept in self._learners.items() if kept is not learners}


_idle: OrderedDict[Hashable, ModelCache] = OrderedDict()
_guard = threading.Lock()


@contextmanager
def model_cache(network: NetworkSpec, shape: Shape, num_classes: int, compute: Compute) -> Iterator[ModelCache]:
    """A crew, for one judging at a time.

    Afterwards it waits for the next of its kind: compiling takes longer than training on a small set.
    """
    key = (network, network.factory, shape, num_classes, compute) if _has_value(network) else None
    with _guard:
        crew = _idle.pop(key, None) if key else None
    crew = crew or ModelCache(network, shape, num_classes, compute)
    yield crew
    if key:
        with _guard:
            _idle[key] = crew
            while len(_idle) > KEPT:
                _idle.popitem(last=False)


def _has_value(network: NetworkSpec) -> bool:
    """Whether equal specs are the same architecture: not so for a class that only inherits its idea of equality."""
    try:
        hash((network, network.factory))
    except TypeError:
        return False
    return "__eq__" in vars(type(network))
