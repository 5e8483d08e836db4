"""Batches of models: a single network, or several of one architecture, stacked so that one call computes all."""

import logging
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial

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

KEPT = 4  # unused caches kept for reuse, one per architecture


class ModelBatch(ABC):
    """``count`` networks of one architecture that train and are tested together."""

    network: Classifier
    count: int

    @abstractmethod
    def reinitialize(self, rngs: Sequence[Rng]) -> None:
        """Re-initialize each network from its own random stream."""

    def parameters(self) -> list[Tensor]:
        """Return the tensors that an optimizer changes."""
        return list(self.network.parameters())

    @abstractmethod
    def are_finite(self) -> list[bool]:
        """Return, for each network, whether all its weights are finite."""

    def train(self, mode: bool) -> None:
        """Switch to training mode, or to evaluation mode."""
        self.network.train(mode)

    @abstractmethod
    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        """Draw the random numbers inside the networks, such as dropout, from these streams."""

    def microbatches(self, images: Tensor) -> list[slice]:
        """Return the slices of a batch (count, n, c, h, w) to process one at a time; their gradients add up."""
        return [slice(0, images.shape[1])]

    @abstractmethod
    def forward_each(self, images: Tensor) -> Tensor:
        """Return logits (count, n, classes) of images (count, n, c, h, w), a batch for each network."""

    @abstractmethod
    def forward_shared(self, images: Tensor) -> Tensor:
        """Return logits (count, n, classes) of images (n, c, h, w), the same for all networks."""


class SingleModel(ModelBatch):
    """One network."""

    count = 1

    def __init__(self, network: Classifier, compute: Compute = Compute(compile="never")) -> None:
        self.network = network
        self._logits = compute.wrap(network)
        self._buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}

    def reinitialize(self, rngs: Sequence[Rng]) -> None:
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                buffer.copy_(self._buffers[name])
        self.network.redraw(rngs[0])

    def are_finite(self) -> list[bool]:
        return [all(bool(parameter.isfinite().all()) for parameter in self.network.parameters())]

    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        return seeded(self.network, rngs[0])

    def microbatches(self, images: Tensor) -> list[slice]:
        return split(images.shape[1], microbatch_size(self.network, images[0]))

    def forward_each(self, images: Tensor) -> Tensor:
        return self._logits(images[0])[None]

    def forward_shared(self, images: Tensor) -> Tensor:
        return self._logits(images)[None]


class StackedModels(ModelBatch):
    """Networks stacked so that vmap computes all in one call, which fills a GPU; it requires a network that `can_be_stacked`."""

    def __init__(self, network: Classifier, count: int, compute: Compute) -> None:
        self.network, self.count = network, count
        self._stack = {
            name: parameter.detach().expand(count, *parameter.shape).clone().requires_grad_(parameter.requires_grad)
            for name, parameter in network.named_parameters()
        }
        self._statistics = {name: buffer.detach().expand(count, *buffer.shape).clone() for name, buffer in network.named_buffers()}
        self._each = compute.wrap(vmap(partial(_logits, network)))
        self._shared = compute.wrap(vmap(partial(_logits, network), in_dims=(0, 0, None)))

    def reinitialize(self, rngs: Sequence[Rng]) -> None:
        for index, rng in enumerate(rngs):
            self.network.redraw(rng)  # resets the statistics of batch norm, too
            with torch.no_grad():
                for name, parameter in self.network.named_parameters():
                    self._stack[name][index].copy_(parameter)
                for name, buffer in self.network.named_buffers():
                    self._statistics[name][index] = buffer

    def parameters(self) -> list[Tensor]:
        return list(self._stack.values())

    def are_finite(self) -> list[bool]:
        finite = [parameter.detach().isfinite().reshape(self.count, -1).all(1) for parameter in self._stack.values()]
        return [bool(network) for network in torch.stack(finite).all(0)]

    def seeded(self, rngs: Sequence[Rng]) -> AbstractContextManager[None]:
        return nullcontext()

    def forward_each(self, images: Tensor) -> Tensor:
        return self._each(self._stack, self._statistics, images)

    def forward_shared(self, images: Tensor) -> Tensor:
        return self._shared(self._stack, self._statistics, images)


def _logits(network: Classifier, parameters: dict[str, Tensor], statistics: dict[str, Tensor], images: Tensor) -> Tensor:
    logits: Tensor = functional_call(network, {**parameters, **statistics}, (images,))
    return logits


def can_be_stacked(network: Classifier, shape: Shape) -> bool:
    """Return whether vmap supports ``network`` and it has no random numbers and no statistics other than those of batch norm."""
    parameters = {name: parameter.detach()[None] for name, parameter in network.named_parameters()}
    statistics = {name: buffer.detach()[None].clone() for name, buffer in network.named_buffers()}
    others = [module for module in network.modules() if not isinstance(module, _BatchNorm)]
    try:
        if any(list(module.buffers(recurse=False)) for module in others) or draws_numbers(network):
            raise RuntimeError("it keeps statistics or draws random numbers")
        with torch.no_grad():
            images = next(iter(parameters.values())).new_zeros(1, 2, *shape)
            for training, images_dim, batch in ((True, 0, images), (False, None, images[0])):
                network.train(training)
                vmap(partial(_logits, network), in_dims=(0, 0, images_dim))(parameters, statistics, batch)
    except Exception as error:  # a user's module can raise any error; it is then trained unstacked
        logger.info("Networks are trained one by one: %s cannot be stacked (%s).", type(network).__name__, error)
        return False
    return True


class ModelCache:
    """Model batches of one architecture that reuse one module, so that it is compiled once."""

    def __init__(self, network: NetworkSpec, shape: Shape, num_classes: int, compute: Compute) -> None:
        self.compute = compute
        self.network, self.shape, self.num_classes = network, shape, num_classes
        self.module = self._build()
        self._batches: dict[int, ModelBatch] = {1: SingleModel(self.module, compute)}

    def _build(self) -> Classifier:
        return self.network.build(self.shape, self.num_classes, Rng(0)).to(self.compute.device, self.compute.dtype)

    @cached_property
    def stackable(self) -> bool:
        """True if several networks can be trained together."""
        return can_be_stacked(self.module, self.shape)

    def batch(self, count: int) -> ModelBatch:
        """Return a batch of ``count`` models, or of one if they cannot be stacked."""
        if count > 1 and not self.stackable:
            count = 1
        if count not in self._batches:
            self._batches[count] = StackedModels(use_pytorch_kernels(self._build()), count, self.compute)
        return self._batches[count]

    def release(self) -> None:
        """Free the memory of stacked models."""
        self._batches = {1: self._batches[1]}


_idle: OrderedDict[Hashable, ModelCache] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def model_cache(network: NetworkSpec, shape: Shape, num_classes: int, compute: Compute) -> Iterator[ModelCache]:
    """Lend a cache of models to one caller at a time, and keep it for the next: compiling takes longer than training on a small set."""
    key = (network, network.factory, shape, num_classes, compute) if _compares_by_value(network) else None
    with _lock:
        cache = _idle.pop(key, None) if key else None
    cache = cache or ModelCache(network, shape, num_classes, compute)
    yield cache
    if key:
        with _lock:
            _idle[key] = cache
            while len(_idle) > KEPT:
                _idle.popitem(last=False)


def _compares_by_value(network: NetworkSpec) -> bool:
    """Return whether equal specs are the same architecture; a class that inherits its equality may ignore its own fields."""
    try:
        hash((network, network.factory))
    except TypeError:
        return False
    return "__eq__" in vars(type(network))
