"""Base classes: `NetworkSpec` builds a `Classifier`, `NetworkSampler` draws its weights. Initialization from a random stream."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condensation.core import memory
from condensation.core.compute import Compute
from condensation.core.errors import LARGEST, CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.modules import draws_numbers
from condensation.core.plain import Registered
from condensation.core.rng import Rng

if TYPE_CHECKING:
    from condensation.core.progress import OnProgress


class Classifier(nn.Module, ABC):
    """An embedding and, unless `forward` is overridden, a linear layer ``classifier`` on top.

    Parameters are in the order of published weights: convolution weight, bias, norm weight, bias of each block, then the linear layer.

    >>> import torch
    >>> from condensation import ConvNet, Rng
    >>> network = ConvNet(width=16).build((3, 32, 32), num_classes=10, rng=Rng(0))
    >>> images = torch.rand(2, 3, 32, 32)
    >>> network.embed(images).shape, network(images).shape
    (torch.Size([2, 256]), torch.Size([2, 10]))
    """

    classifier: nn.Linear
    # Properties that `core.modules` cannot infer from the layers.
    mixes_images = False
    draws_numbers = False

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Return features (n, dims) of images (n, c, h, w): the input of the linear layer."""

    @property
    def head(self) -> nn.Linear | None:
        """Linear layer that maps the embedding to logits; None if logits are computed otherwise."""
        return self.classifier if type(self).forward is Classifier.forward else None

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, classes)."""
        return self.classifier(self.embed(images))  # type: ignore[no-any-return]

    def redraw(self, rng: Rng) -> None:
        """Re-initialize the weights from ``rng``, in place, so that a compiled network stays compiled."""
        initialize(self, rng)


PIXEL_LR = 1.0
WEIGHT_BYTES = 16  # memory per weight: itself, its gradient, its momentum and the random numbers of its initialization


@dataclass(frozen=True)
class NetworkSpec(Registered, ABC):
    """An architecture as a value; `dataclasses.replace` makes variants.

    >>> from dataclasses import replace
    >>> from condensation import ConvNet
    >>> replace(ConvNet(), width=64, norm="batch").norm
    'batch'
    """

    pixel_lr: ClassVar[float] = PIXEL_LR
    """Learning rate of synthetic images on this architecture, relative to that on a ConvNet."""

    counted: ClassVar[bool] = True
    """Check the memory of the weights before they are created; False if creating the layers computes, which needs the weights."""

    @abstractmethod
    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        """Return the module with PyTorch's default weights."""

    def build(self, image_shape: Shape, num_classes: int, rng: Rng) -> Classifier:
        """Return a network initialized from ``rng`` alone.

        Raise CondensationError if the images are too small for this architecture, and NotEnoughMemory if its weights do not fit.
        """
        self._require_memory(image_shape, num_classes)
        with torch.random.fork_rng(devices=[]):
            network = self.layers(image_shape, num_classes)
        network.redraw(rng)
        return network

    def _require_memory(self, image_shape: Shape, num_classes: int) -> None:
        if not self.counted:
            return
        try:
            with torch.device("meta"):  # shapes alone
                parameters = sum(parameter.numel() for parameter in self.layers(image_shape, num_classes).parameters())
        except RuntimeError:  # a number of parameters that overflows
            parameters = LARGEST**2
        memory.require(WEIGHT_BYTES * parameters, f"The network {self}", "Use a smaller network (width, depth, hidden).")

    def raw_module(self, image_shape: Shape, num_classes: int) -> nn.Module:
        """Return the module whose layers `inspect.outline` lists; unlike that of `layers`, it need not have an embedding."""
        return self.layers(image_shape, num_classes)

    @property
    def factory(self) -> object:
        """Object that makes the module; it differs between equal specs if the code of their target has changed."""
        return type(self)


@dataclass(frozen=True)
class NetworkSampler(Registered, ABC):
    """A distribution over networks: one module whose weights are redrawn at each step.

    >>> from condensation import ConvNet, Fresh, Rng
    >>> sampler = Fresh(ConvNet(width=8))
    >>> network = sampler.network((1, 8, 8), 10, "cpu")
    >>> sampler.redraw(network, Rng(0))  # writes new weights into the same module
    """

    trains: ClassVar[bool] = False
    """True if `prepared` trains networks."""

    def is_made(self, real: ImageSet) -> bool:
        """Return whether the networks that `prepared` trains are in the cache already."""
        return False

    @property
    def is_trained(self) -> bool:
        """True if every network has been trained, so that its logits mean something."""
        return False

    @abstractmethod
    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        """Return the module on ``device``, frozen and in training mode; call `redraw` before its first use."""

    def redraw(self, network: Classifier, rng: Rng) -> None:
        """Draw the weights of ``network`` from ``rng``, in place, so that a compiled network stays compiled."""
        network.redraw(rng)

    def validate(self, real: ImageSet) -> None:
        """Check that the networks suit ``real``. Raise CondensationError if they were made for other images, classes or preprocessing."""

    def prepared(self, real: ImageSet, compute: Compute, on_progress: "OnProgress | None" = None) -> "NetworkSampler":
        """Return the sampler for the steps on ``real``, which fit; samplers that need training do it here."""
        return self

    def input_digests(self) -> dict[str, str]:
        """Return the digests, by name, of the files that the networks depend on."""
        return {}


@contextmanager
def seeded(network: nn.Module, rng: Rng) -> Iterator[None]:
    """Seed the random numbers that ``network`` draws, as dropout does, from ``rng``; the global generators are restored."""
    with rng.globally() if draws_numbers(network) else nullcontext():
        yield


# PyTorch's default initialization, which `initialize` reproduces; subclasses may override it.
DEFAULT_RESETS = (nn.Linear.reset_parameters, nn.Conv2d.reset_parameters)


def initialize(network: nn.Module, rng: Rng) -> None:
    """Re-initialize ``network`` from ``rng``, in place, with PyTorch's default distributions.

    Weights and biases of convolutions and linear layers are uniform within 1 / sqrt(fan-in); norms are scale 1, shift 0. Any other layer
    resets itself under a seed from ``rng``. Raise CondensationError if a layer with parameters has no ``reset_parameters``.
    """
    if any(parameter.is_meta for parameter in network.parameters()):
        return  # shapes without values
    uniform: list[tuple[nn.Parameter, float]] = []
    with torch.no_grad():
        for name, module in network.named_modules():
            parameters = list(module.parameters(recurse=False))
            if isinstance(module, nn.Linear | nn.Conv2d) and type(module).reset_parameters in DEFAULT_RESETS:
                bound = 1 / math.sqrt(module.weight[0].numel())
                uniform += [(parameter, bound) for parameter in parameters]
            elif isinstance(module, _BatchNorm | nn.GroupNorm | nn.LayerNorm):
                module.reset_parameters()
            elif parameters and hasattr(module, "reset_parameters"):
                _reset(module, rng.child("layer", name))
            elif parameters:
                message = f"{type(module).__name__} ({name or 'the network itself'}) has parameters but no method reset_parameters."
                raise CondensationError(message, hint="Add reset_parameters(self), which initializes them.")
        _fill(uniform, rng)


def _fill(parameters: list[tuple[nn.Parameter, float]], rng: Rng) -> None:
    """Draw each parameter uniformly from -bound to bound, with one draw and one transfer to the device for all."""
    if not parameters:
        return
    sizes = [parameter.numel() for parameter, _ in parameters]
    uniform = torch.from_numpy(rng.generator().random(sum(sizes), dtype=np.float32)).to(parameters[0][0].device)
    for (parameter, bound), numbers in zip(parameters, torch.split(uniform.mul_(2).sub_(1), sizes), strict=True):
        parameter.copy_(numbers.mul_(bound).view_as(parameter))


def _reset(module: nn.Module, rng: Rng) -> None:
    """Let ``module`` reset itself on the CPU; a GPU would draw other numbers."""
    twin = copy.deepcopy(module).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(rng.integer())
        twin.reset_parameters()  # type: ignore[operator]
    module.load_state_dict(twin.state_dict())
