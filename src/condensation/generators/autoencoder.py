"""A fully connected autoencoder with sigmoids (Li, Swersky & Zemel, ICML 2015)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.errors import require
from condensation.core.plain import Registered
from condensation.core.rng import Rng

STAGES = 3  # the outer layers, the inner layers, all layers together


@dataclass(frozen=True)
class Autoencoder(Registered):
    """Two layers on each side, trained layer by layer, then together; with Adam; the authors use SGD (lr 0.1, momentum 0.5 to 0.9)."""

    name: ClassVar[str] = "sigmoid"
    hidden: int = 1024
    """Units of the hidden layer on each side; at least 1."""
    code: int = 32
    """Size of a code; at least 1."""
    dropout: float = 0.2
    """Fraction of the pixels dropped in training, in [0, 1)."""
    hidden_dropout: float = 0.5
    """Fraction of the hidden units dropped in training, in [0, 1)."""
    steps: int = 3000
    """Training steps of each of the three stages; at least 1."""
    batch: int = 100
    """Images per training step; at least 1."""
    lr: float = 1e-3
    """Learning rate of Adam; above 0."""
    largest_gradient: float = 10.0
    """Gradient norm above which gradients are clipped; above 0."""

    def __post_init__(self) -> None:
        require(self, "method.autoencoder", ("hidden", "code", "steps", "batch"), lambda value: value >= 1, "at least 1")
        require(self, "method.autoencoder", ("dropout", "hidden_dropout"), lambda value: 0 <= value < 1, "in [0, 1)")
        require(self, "method.autoencoder", ("lr", "largest_gradient"), lambda value: value > 0, "above 0")

    @property
    def total_steps(self) -> int:
        """Training steps of all stages."""
        return STAGES * self.steps

    def encoder(self, pixels: int) -> nn.Sequential:
        """Return a network from pictures (n, pixels) in [0, 1] to codes (n, code) in [0, 1]."""
        return nn.Sequential(nn.Linear(pixels, self.hidden), nn.Sigmoid(), nn.Linear(self.hidden, self.code), nn.Sigmoid())

    def decoder(self, pixels: int) -> nn.Sequential:
        """Return a network from codes (n, code) in [0, 1] to pictures (n, pixels) in [0, 1]."""
        return nn.Sequential(nn.Linear(self.code, self.hidden), nn.Sigmoid(), nn.Linear(self.hidden, pixels), nn.Sigmoid())

    def loss(self, encoder: nn.Sequential, decoder: nn.Sequential, pictures: Tensor, step: int, rng: Rng) -> Tensor:
        """Return the loss of training step ``step``, from 0, on pictures (n, pixels) in [0, 1].

        It is the cross-entropy of pixels, or of hidden units in the second stage; only layers of the current stage get gradients.
        """
        stage = step // self.steps
        outer, inner = encoder[:2], encoder[2:]
        if stage == 1:
            with torch.no_grad():
                hidden = outer(pictures)
            codes = inner(_dropout(hidden, self.hidden_dropout, rng.child("hidden")))
            return F.binary_cross_entropy(decoder[:2](codes), hidden)
        hidden = outer(_dropout(pictures, self.dropout, rng.child("pixels")))
        if stage > 1:
            hidden = decoder[:2](inner(_dropout(hidden, self.hidden_dropout, rng.child("hidden"))))
        return F.binary_cross_entropy(decoder[2:](hidden), pictures)


def _dropout(values: Tensor, rate: float, rng: Rng) -> Tensor:
    """Return ``values`` with a fraction ``rate`` set to zero and the others divided by 1 - rate."""
    if not rate:
        return values
    kept = torch.from_numpy(rng.generator().random(tuple(values.shape), dtype="float32")) >= rate
    return values * kept.to(values.device) / (1 - rate)
