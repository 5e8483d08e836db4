"""What every generator is: latents that are drawn, and a network that makes pictures of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from condensation.core.preprocessing import Preprocessing
from condensation.core.rng import Rng


class Generator(nn.Module, ABC):
    """A network that makes a picture of a latent and a class.

    In evaluation mode a picture depends on its own latent and class alone, so that pictures can be made in chunks. Numbers are
    drawn outside of it, by `draw`, and nothing random happens inside.
    """

    @abstractmethod
    def draw(self, count: int, rng: Rng) -> Tensor:
        """Latents (count, ...) on the CPU, decided by ``rng``; fewer are the beginning of more."""

    @abstractmethod
    def forward(self, latents: Tensor, rows: Tensor) -> Tensor:
        """Pictures (n, c, h, w) in [0, 1] of ``latents`` (n, ...), each of the class ``rows`` (n,) says: its place, from 0."""

    def inputs(self, latents: Tensor, rows: Tensor, preprocessing: Preprocessing) -> Tensor:
        """What a network sees of what is made: the pictures, preprocessed."""
        return preprocessing(self(latents, rows))


def normal_latents(count: int, dims: int, rng: Rng) -> Tensor:
    """Standard normal latents (count, dims), float32."""
    return rng.normal((count, dims))


def uniform_latents(count: int, dims: int, rng: Rng) -> Tensor:
    """Latents (count, dims), float32, whose numbers are uniform in [-1, 1)."""
    return torch.from_numpy(rng.generator().random((count, dims), dtype=np.float32)) * 2 - 1
