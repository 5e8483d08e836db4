"""Where the network of a step comes from: always newly initialised, or (elsewhere) from a pool of trained ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from condensation.images import Shape
from condensation.networks.base import Classifier, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.rng import Rng


@dataclass(frozen=True)
class NetworkSampler(ABC):
    """A distribution over networks: one module, made once and then given other weights at every step."""

    @abstractmethod
    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        """The module on ``device``, frozen and in training mode; its weights mean nothing before `redraw`."""

    @abstractmethod
    def redraw(self, network: Classifier, rng: Rng) -> None:
        """Give ``network`` the weights that ``rng`` decides, in place, so that a compiled network stays compiled."""


@dataclass(frozen=True)
class Fresh(NetworkSampler):
    """Newly initialised networks of one architecture."""

    spec: NetworkSpec = ConvNet()

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        network = self.spec.build(image_shape, num_classes, Rng(0))
        return network.requires_grad_(False).train().to(device)

    def redraw(self, network: Classifier, rng: Rng) -> None:
        network.redraw(rng)
