"""Generators of groups of classes, as one: one for all classes, or one for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from condensation.core.rng import Rng
from condensation.generators.base import Generator


class PerClassGenerator(Generator):
    """One generator for all classes, or as many as there are classes, each for its own; all take the same latents."""

    def __init__(self, generators: Sequence[Generator]) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)

    def draw(self, count: int, rng: Rng) -> Tensor:
        first = self.generators[0]
        assert isinstance(first, Generator)
        return first.draw(count, rng)

    def forward(self, latents: Tensor, rows: Tensor) -> Tensor:
        if len(self.generators) == 1:
            pictures: Tensor = self.generators[0](latents, rows)
            return pictures
        present = sorted(set(rows.tolist()))
        places = [(rows == row).nonzero().squeeze(1) for row in present]
        made = [self.generators[row](latents[mine], torch.zeros_like(mine)) for row, mine in zip(present, places, strict=True)]
        return torch.cat(made)[torch.cat(places).argsort()]
