"""The networks that are searched through: a grid of ConvNets, in an order whose every beginning is a fair sample of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations, product

import numpy as np
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.rng import Rng
from condensation.networks.convnet import Activation, ConvNet, Norm, Pooling

PAIR = 1e-3  # what a pair of choices counts for beside a single one


@dataclass(frozen=True)
class Space:
    """Every combination of these choices; by default the 720 ConvNets of the papers (4 x 4 x 5 x 3 x 3)."""

    width: tuple[int, ...] = (32, 64, 128, 256)
    depth: tuple[int, ...] = (1, 2, 3, 4)
    norm: tuple[Norm, ...] = ("none", "batch", "layer", "instance", "group")
    activation: tuple[Activation, ...] = ("sigmoid", "relu", "leakyrelu")
    pooling: tuple[Pooling, ...] = ("none", "max", "avg")

    def __post_init__(self) -> None:
        for field in fields(self):
            choices = getattr(self, field.name)
            if not choices or len(set(choices)) < len(choices):
                said = "names none" if not choices else f"is {', '.join(map(str, choices))}"
                raise CondensationError(f"The space's {field.name} {said}; it must name at least one choice, and each once.")

    def __len__(self) -> int:
        return int(np.prod([len(getattr(self, field.name)) for field in fields(self)]))

    def networks(self, image_shape: Shape, num_classes: int) -> tuple[dict[str, ConvNet], dict[str, str]]:
        """Those that fit images of ``image_shape``, by name, and of the others why they do not."""
        fitting, others = {}, {}
        names = [field.name for field in fields(self)]
        for choices in product(*(getattr(self, name) for name in names)):
            settings = dict(zip(names, choices, strict=True))
            name = name_of(**settings)
            try:
                network = ConvNet(**settings)
                with torch.device("meta"):  # nothing is computed, no memory taken
                    network.layers(image_shape, num_classes)
            except CondensationError as error:
                others[name] = str(error).splitlines()[0]
            else:
                fitting[name] = network
        return fitting, others


def name_of(width: int, depth: int, norm: str, activation: str, pooling: str) -> str:
    """``w64-d3-instance-relu-avg``."""
    return f"w{width}-d{depth}-{norm}-{activation}-{pooling}"


def spread(networks: Sequence[ConvNet], rng: Rng) -> list[int]:
    """An order of ``networks``, as places, in which each next one has the choices that came least often so far.

    Every beginning is so a stratified sample: of each choice there are about as many, then of each pair of choices. ``rng``
    decides between equals.
    """
    names = [field.name for field in fields(Space)]
    choices = [[str(getattr(network, name)) for name in names] for network in networks]
    pairs = [[(a, b, one[a], one[b]) for a, b in combinations(range(len(names)), 2)] for one in choices]
    singles, doubles = _codes([list(enumerate(one)) for one in choices]), _codes(pairs)
    seen, seen_together = np.zeros(singles.max(initial=0) + 1), np.zeros(doubles.max(initial=0) + 1)
    left, order = rng.permutation(len(networks)).numpy(), []
    while len(left):
        often = seen[singles[left]].sum(1) + PAIR * seen_together[doubles[left]].sum(1)
        place = int(often.argmin())  # of equals the first in the random order
        chosen = left[place]
        order.append(int(chosen))
        seen[singles[chosen]] += 1
        seen_together[doubles[chosen]] += 1
        left = np.delete(left, place)
    return order


def _codes(rows: Sequence[Sequence[object]]) -> np.ndarray:
    """Each thing in ``rows`` as a whole number, equal things alike: (rows, columns)."""
    numbers: dict[object, int] = {}
    return np.array([[numbers.setdefault(thing, len(numbers)) for thing in row] for row in rows], dtype=np.int64)
