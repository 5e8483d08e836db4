"""The generator of generative teaching networks: it makes what a learner sees, not what a person would call a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.core.preprocessing import Preprocessing
from condensation.core.rng import Rng
from condensation.generators.base import Generator, normal_latents
from condensation.networks.base import initialize
from condensation.networks.layers import require_pixels
from condensation.networks.weight_norm import SLOPE, NormedLinear

HIGHEST = 2.0  # of what a network sees: the generator ends in 2 tanh
MEMORY = 0.01  # of running statistics: a lesson is made several times in a step, and all lessons are to count


class LessonGenerator(Generator):
    """Two linear layers with weight norm, then twice upsampling and a convolution (Such et al., ICML 2020), for images of any size.

    It begins at a quarter of the images' sides, rounded up, and is enlarged to exactly half of them and to them. In training mode
    batch norm has the statistics of the batch: a lesson is made as a whole. In evaluation mode it has running ones.
    """

    def __init__(self, latent: int, classes: int, shape: Shape, hidden: int, channels: Sequence[int]) -> None:
        super().__init__()
        require_pixels("The generator of GTN", shape, 4)
        colours, *sides = shape
        self.latent, self.classes = latent, classes
        self.sizes = [tuple(math.ceil(side / part) for side in sides) for part in (4, 2, 1)]
        pixels = math.prod(self.sizes[0])
        self.dense = nn.Sequential(
            NormedLinear(latent + classes, hidden),
            nn.BatchNorm1d(hidden, momentum=MEMORY),
            nn.LeakyReLU(SLOPE),
            NormedLinear(hidden, channels[0] * pixels),
            nn.BatchNorm1d(channels[0] * pixels, momentum=MEMORY),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (channels[0], *self.sizes[0])),
        )
        self.middle = nn.Sequential(
            _convolution(channels[0], channels[1]), nn.BatchNorm2d(channels[1], momentum=MEMORY), nn.LeakyReLU(SLOPE)
        )
        self.last = _convolution(channels[1], colours)

    def redraw(self, rng: Rng) -> None:
        """New weights, as PyTorch would draw them, decided by ``rng``."""
        initialize(self, rng)

    def draw(self, count: int, rng: Rng) -> Tensor:
        return normal_latents(count, self.latent, rng)

    def forward(self, latents: Tensor, rows: Tensor) -> Tensor:
        """What a network sees, in [-2, 2]: (n, c, h, w), of ``latents`` (n, latent) and the classes ``rows`` (n,)."""
        codes = F.one_hot(rows, self.classes).to(latents)
        features = self.dense(torch.cat([latents, codes], dim=1))
        features = self.middle(F.interpolate(features, size=self.sizes[1]))
        images: Tensor = HIGHEST * self.last(F.interpolate(features, size=self.sizes[2])).tanh()
        return images

    def inputs(self, latents: Tensor, rows: Tensor, preprocessing: Preprocessing) -> Tensor:
        made: Tensor = self(latents, rows)
        return made


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
