"""Networks near given weights, for matching in the surroundings of one network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.core.tensor_files import read_card, read_tensors, write_tensors
from condensation.core.trust import as_path_text
from condensation.networks.base import Classifier, NetworkSampler, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.pool_store import Snapshot
from condensation.networks.samplers import StoredNetwork

KIND = "weights"


@dataclass(frozen=True)
class Near(NetworkSampler):
    """One trained network, moved by a random step of at most `radius`, as in FedDM (Xiong et al., CVPR 2023).

    Each draw adds a Gaussian direction to all weights; a step that is longer than `radius` is shortened to it.

    >>> from condensation import DM, Near
    >>> DM(networks=Near("weights.safetensors", radius=5)).networks.radius
    5
    """

    name: ClassVar[str] = "near"
    path: str = ""
    """File of the weights, written by `save_weights`."""
    radius: float = 5.0
    """Longest step, an L2 norm over all weights, above 0."""
    spec: NetworkSpec = ConvNet()
    """Architecture of the network."""

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise CondensationError(f"radius is {self.radius:g}; it must be above 0.", setting="method.networks.radius")

    @property
    def is_trained(self) -> bool:
        return True

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        weights = load_weights(self._file)
        network = self.spec.build(image_shape, num_classes, Rng(0))
        return Moved(network, weights, self.radius, self.path).requires_grad_(False).train().to(device)

    @property
    def _file(self) -> Path:
        if not self.path:
            raise CondensationError("No weights given.", hint="Set path to a file of weights.", setting="method.networks.path")
        return Path(as_path_text(self.path))

    def input_digests(self) -> dict[str, str]:
        return {"weights": read_card(self._file, KIND)[1]}


class Moved(StoredNetwork):
    """A network whose `redraw` moves its weights from ``weights`` by a random step of at most ``radius``."""

    def __init__(self, network: Classifier, weights: dict[str, Tensor], radius: float, origin: str) -> None:
        super().__init__(network, [Snapshot(0, 0.0, weights)], origin)
        self.weights, self.radius = weights, radius

    def redraw(self, rng: Rng) -> None:
        streams = rng.child("near")
        steps = {name: streams.child(name).normal(tuple(value.shape)) for name, value in self.weights.items() if value.is_floating_point()}
        norm = float(torch.stack([step.double().square().sum() for step in steps.values()]).sum().sqrt())
        scale = min(1.0, self.radius / norm)
        self.assign({name: value.cpu() + scale * steps[name] if name in steps else value for name, value in self.weights.items()})


def save_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write the weights and buffers of a network, by name, to ``path``."""
    write_tensors(path, KIND, dict(weights), {})


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read weights that `save_weights` wrote."""
    return read_tensors(path, KIND)[0]
