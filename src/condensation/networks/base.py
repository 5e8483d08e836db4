"""What every architecture has: a spec that is a value, and a classifier that embeds and classifies."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.modules import draws_numbers
from condensation.core.plain import Registered
from condensation.core.rng import Rng


class Classifier(nn.Module, ABC):
    """A network that is an embedding and, unless it has a `forward` of its own, a linear layer on top, ``classifier``.

    Parameters come in the natural order, block by block (convolution weight, bias, norm weight, bias), then the linear
    layer, so that weights published for an architecture can be put in one after the other.
    """

    classifier: nn.Linear
    mixes_images = False  # what `mixes_images` and `draws_numbers` cannot see from the layers
    draws_numbers = False

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Features (n, dims) of images (n, c, h, w): what the linear layer sees."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes)."""
        logits: Tensor = self.classifier(self.embed(images))
        return logits

    def redraw(self, rng: Rng) -> None:
        """New weights in place, decided by ``rng``, so that a compiled network stays compiled."""
        initialize(self, rng)


PIXEL_LR = 1.0


@dataclass(frozen=True)
class NetworkSpec(Registered, ABC):
    """An architecture as a value; variants are made with `dataclasses.replace`."""

    # What a learning rate of images that suits a ConvNet is multiplied by, where they are learned on this architecture.
    pixel_lr: ClassVar[float] = PIXEL_LR

    @abstractmethod
    def layers(self, image_shape: Shape, num_classes: int) -> Classifier:
        """The module, with whatever weights PyTorch gives it."""

    def build(self, image_shape: Shape, num_classes: int, rng: Rng) -> Classifier:
        """A network for images of ``image_shape``, initialised from ``rng``; torch's global generator is left alone.

        Raises:
            CondensationError: if images of this shape are too small for it.
        """
        with torch.random.fork_rng(devices=[]):
            network = self.layers(image_shape, num_classes)
        network.redraw(rng)
        return network

    def raw_module(self, image_shape: Shape, num_classes: int) -> nn.Module:
        """The module whose layers a person is shown, though it may be one that cannot be embedded."""
        return self.layers(image_shape, num_classes)

    @property
    def factory(self) -> object:
        """What makes the module: specs may be equal and this not, where it goes by a name that means something else now."""
        return type(self)


@contextmanager
def seeded(network: nn.Module, rng: Rng) -> Iterator[None]:
    """Where ``network`` draws numbers of its own, as dropout does, let ``rng`` decide them; the global generators are put back."""
    if not draws_numbers(network):
        yield
        return
    with rng.globally():
        yield


# What PyTorch's own layers do, and subclasses that say nothing else.
USUAL = (nn.Linear.reset_parameters, nn.Conv2d.reset_parameters)


def initialize(network: nn.Module, rng: Rng) -> None:
    """Give ``network`` new weights in place, as PyTorch's default initialisation would, drawn from ``rng``.

    In place, because a compiled network stays compiled. Convolutions and linear layers are uniform within
    1 / sqrt(fan-in), norms start at one and zero; any other layer is asked to reset itself under a seed from ``rng``.

    Raises:
        CondensationError: if a layer that holds parameters has no ``reset_parameters``.
    """
    uniform: list[tuple[nn.Parameter, float]] = []
    with torch.no_grad():
        for name, module in network.named_modules():
            own = list(module.parameters(recurse=False))
            if isinstance(module, nn.Linear | nn.Conv2d) and type(module).reset_parameters in USUAL:
                bound = 1 / math.sqrt(module.weight[0].numel())
                uniform += [(parameter, bound) for parameter in own]
            elif isinstance(module, _BatchNorm | nn.GroupNorm | nn.LayerNorm):
                module.reset_parameters()
            elif own and hasattr(module, "reset_parameters"):
                _reset(module, rng.child("layer", name))
            elif own:
                raise CondensationError(
                    f"{type(module).__name__} ({name or 'the network itself'}) holds parameters but cannot draw new ones.\n"
                    "Give it a method reset_parameters()."
                )
        _fill(uniform, rng)


def _fill(parameters: list[tuple[nn.Parameter, float]], rng: Rng) -> None:
    """Draw each parameter uniformly from -bound to bound: all in one draw and one transfer, whatever the device."""
    if not parameters:
        return
    sizes = [parameter.numel() for parameter, _ in parameters]
    drawn = torch.from_numpy(rng.generator().random(sum(sizes), dtype=np.float32)).to(parameters[0][0].device)
    for (parameter, bound), numbers in zip(parameters, torch.split(drawn.mul_(2).sub_(1), sizes), strict=True):
        parameter.copy_(numbers.mul_(bound).view_as(parameter))


def _reset(module: nn.Module, rng: Rng) -> None:
    """Let ``module`` reset itself, on the CPU: a GPU draws other numbers, from another global generator."""
    twin = copy.deepcopy(module).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(rng.integer())
        twin.reset_parameters()  # type: ignore[operator]
    module.load_state_dict(twin.state_dict())
