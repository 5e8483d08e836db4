"""Base class of generators, and their uniform latents."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from condensation.core.preprocessing import Preprocessing
from condensation.core.rng import Rng


class Generator(nn.Module, ABC):
    """A network that generates images from latents and classes.

    In evaluation mode an image depends on its own latent and class only. All random numbers come from `draw`.
    """

    latent: int  # dimensions of a latent

    def draw(self, count: int, rng: Rng) -> Tensor:
        """Return standard normal latents (count, latent) on the CPU; a smaller count gives a prefix of the same latents."""
        return rng.normal((count, self.latent))

    @abstractmethod
    def forward(self, latents: Tensor, class_index: Tensor) -> Tensor:
        """Return pictures (n, c, h, w) in [0, 1] for latents (n, ...) and class indices (n,)."""

    def inputs(self, latents: Tensor, class_index: Tensor, preprocessing: Preprocessing) -> Tensor:
        """Return the preprocessed pictures (n, c, h, w), the inputs of networks."""
        return preprocessing(self(latents, class_index))


def uniform_latents(count: int, dims: int, rng: Rng) -> Tensor:
    """Return latents (count, dims) in float32, uniform in [-1, 1)."""
    return torch.from_numpy(rng.generator().random((count, dims), dtype=np.float32)) * 2 - 1
