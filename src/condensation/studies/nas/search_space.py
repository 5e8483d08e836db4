"""Search space: a grid of ConvNets, and an order in which every beginning is a stratified sample of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations, product

import numpy as np
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.networks.convnet import Activation, ConvNet, Norm, Pooling

PAIR = 1e-3  # weight of a pair of choices relative to a single choice


@dataclass(frozen=True)
class Space:
    """Every combination of these choices; by default the 720 ConvNets of the papers (4 x 4 x 5 x 3 x 3)."""

    width: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of each block."""
    depth: tuple[int, ...] = (1, 2, 3, 4)
    """Number of blocks."""
    norm: tuple[Norm, ...] = ("none", "batch", "layer", "instance", "group")
    """Normalization layers."""
    activation: tuple[Activation, ...] = ("sigmoid", "relu", "leakyrelu")
    """Activation functions."""
    pooling: tuple[Pooling, ...] = ("none", "max", "avg")
    """Pooling layers."""

    def __post_init__(self) -> None:
        for field in fields(self):
            choices = getattr(self, field.name)
            if not choices or len(set(choices)) < len(choices):
                name, value = f"space.{field.name}", ", ".join(map(str, choices)) or "empty"
                raise CondensationError(f"{name} is {value}; it must name at least one choice, and each once.", setting=name)

    def __len__(self) -> int:
        return int(np.prod([len(getattr(self, field.name)) for field in fields(self)]))

    def networks(self, image_shape: Shape, num_classes: int) -> tuple[dict[str, ConvNet], dict[str, str]]:
        """Return the networks that fit images of ``image_shape`` by name, and the reason for each of the others."""
        fitting, others = {}, {}
        names = [field.name for field in fields(self)]
        for choices in product(*(getattr(self, name) for name in names)):
            settings = dict(zip(names, choices, strict=True))
            name = "w{width}-d{depth}-{norm}-{activation}-{pooling}".format(**settings)
            try:
                network = ConvNet(**settings)
                with torch.device("meta"):  # neither time nor memory is used
                    network.layers(image_shape, num_classes)
            except CondensationError as error:
                others[name] = error.message.splitlines()[0]
            else:
                fitting[name] = network
        return fitting, others


def stratified_order(networks: Sequence[ConvNet], rng: Rng) -> list[int]:
    """Return an order of ``networks``, as indices, whose every beginning is a stratified sample; ``rng`` breaks ties."""
    names = [field.name for field in fields(Space)]
    choices = [[str(getattr(network, name)) for name in names] for network in networks]
    pairs = [[(a, b, values[a], values[b]) for a, b in combinations(range(len(names)), 2)] for values in choices]
    singles, doubles = _codes([list(enumerate(values)) for values in choices]), _codes(pairs)
    seen, seen_pairs = np.zeros(singles.max(initial=0) + 1), np.zeros(doubles.max(initial=0) + 1)
    left, order = rng.permutation(len(networks)).numpy(), []
    while len(left):  # next comes the network with the choices, then the pairs of choices, that came least often so far
        often = seen[singles[left]].sum(1) + PAIR * seen_pairs[doubles[left]].sum(1)
        place = int(often.argmin())  # the first of equals in the random order
        chosen = left[place]
        order.append(int(chosen))
        seen[singles[chosen]] += 1
        seen_pairs[doubles[chosen]] += 1
        left = np.delete(left, place)
    return order


def _codes(rows: Sequence[Sequence[object]]) -> np.ndarray:
    """Return ``rows`` with each distinct entry replaced by a whole number: (rows, columns)."""
    numbers: dict[object, int] = {}
    return np.array([[numbers.setdefault(entry, len(numbers)) for entry in row] for row in rows], dtype=np.int64)
