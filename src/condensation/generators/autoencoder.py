"""A fully connected autoencoder with sigmoids: of pictures it makes codes, and of codes pictures (Li, Swersky & Zemel, ICML 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.errors import CondensationError
from condensation.core.plain import Registered
from condensation.core.rng import Rng

STAGES = 3  # the outer layers alone, the inner ones alone, all together


@dataclass(frozen=True)
class Autoencoder(Registered):
    """How an autoencoder is built and trained; it has two layers on each side.

    The layers are trained one after the other and then together, ``steps`` iterations each time. The authors
    use SGD (0.1, momentum 0.5, in the end 0.9); here it is Adam.
    """

    name: ClassVar[str] = "sigmoid"
    hidden: int = 1024
    code: int = 32
    dropout: float = 0.2  # of pixels, while it is trained
    hidden_dropout: float = 0.5  # of what the first layer makes of them
    steps: int = 3000  # of each of the three stages
    batch: int = 100
    lr: float = 1e-3
    largest_gradient: float = 10.0  # its norm; longer ones are cut to that

    def __post_init__(self) -> None:
        for name in ("hidden", "code", "steps", "batch"):
            if getattr(self, name) < 1:
                raise CondensationError(f"autoencoder.{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("dropout", "hidden_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise CondensationError(f"autoencoder.{name} is {getattr(self, name)}; it must lie in [0, 1).")
        for name in ("lr", "largest_gradient"):
            if not getattr(self, name) > 0:
                raise CondensationError(f"autoencoder.{name} is {getattr(self, name)}; it must be above 0.")

    @property
    def total_steps(self) -> int:
        """Of all stages together."""
        return STAGES * self.steps

    def encoder(self, pixels: int) -> nn.Sequential:
        """Takes pictures (n, pixels) in [0, 1] to codes (n, code) in [0, 1]."""
        return nn.Sequential(nn.Linear(pixels, self.hidden), nn.Sigmoid(), nn.Linear(self.hidden, self.code), nn.Sigmoid())

    def decoder(self, pixels: int) -> nn.Sequential:
        """Takes codes (n, code) in [0, 1] to pictures (n, pixels) in [0, 1]."""
        return nn.Sequential(nn.Linear(self.code, self.hidden), nn.Sigmoid(), nn.Linear(self.hidden, pixels), nn.Sigmoid())

    def loss(self, encoder: nn.Sequential, decoder: nn.Sequential, pictures: Tensor, step: int, rng: Rng) -> Tensor:
        """What is descended in a step, from 0: the mean cross-entropy of pixels, or of hidden units in the second stage.

        ``pictures`` are (n, pixels) in [0, 1]. Only the layers of the stage take part.
        """
        stage = step // self.steps
        outer, inner = encoder[:2], encoder[2:]
        if stage == 1:
            with torch.no_grad():
                hidden = outer(pictures)
            codes = inner(_without(hidden, self.hidden_dropout, rng.child("hidden")))
            return F.binary_cross_entropy(decoder[:2](codes), hidden)
        hidden = outer(_without(pictures, self.dropout, rng.child("pixels")))
        if stage > 1:
            hidden = decoder[:2](inner(_without(hidden, self.hidden_dropout, rng.child("hidden"))))
        return F.binary_cross_entropy(decoder[2:](hidden), pictures)


def _without(values: Tensor, part: float, rng: Rng) -> Tensor:
    """``values`` with each left out with probability ``part``, the rest enlarged to make up for it."""
    if not part:
        return values
    kept = torch.from_numpy(rng.generator().random(tuple(values.shape), dtype="float32")) >= part
    return values * kept.to(values.device) / (1 - part)
