"""The generator of generative teaching networks (GTN), whose outputs are network inputs instead of pictures."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor, nn

from condensation.core.images import Shape
from condensation.core.preprocessing import Preprocessing
from condensation.core.rng import Rng
from condensation.generators.base import Generator
from condensation.networks.base import initialize
from condensation.networks.layers import require_pixels
from condensation.networks.weight_norm import SLOPE, NormedLinear

OUTPUT_RANGE = 2.0  # outputs are 2 tanh(...)
MOMENTUM = 0.01  # of running statistics; small because a step generates each batch several times


class LessonGenerator(Generator):
    """Two linear layers with weight norm, then upsampling and a convolution twice (Such et al., ICML 2020).

    Maps have a quarter of the image sides, then half, then the full size, each rounded up, so images can have any size. In training mode
    batch norm uses the statistics of the batch, so a batch must be generated at once; in evaluation mode it uses running statistics.
    """

    def __init__(self, latent: int, classes: int, shape: Shape, hidden: int, channels: Sequence[int]) -> None:
        super().__init__()
        require_pixels("The generator of GTN", shape, 4)
        colours, *sides = shape
        self.latent, self.classes = latent, classes
        self.sizes = [tuple(math.ceil(side / divisor) for side in sides) for divisor in (4, 2, 1)]
        features = channels[0] * math.prod(self.sizes[0])
        self.dense = nn.Sequential(
            NormedLinear(latent + classes, hidden),
            nn.BatchNorm1d(hidden, momentum=MOMENTUM),
            nn.LeakyReLU(SLOPE),
            NormedLinear(hidden, features),
            nn.BatchNorm1d(features, momentum=MOMENTUM),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (channels[0], *self.sizes[0])),
        )
        norm = nn.BatchNorm2d(channels[1], momentum=MOMENTUM)
        self.middle = nn.Sequential(_convolution(channels[0], channels[1]), norm, nn.LeakyReLU(SLOPE))
        self.last = _convolution(channels[1], colours)

    def redraw(self, rng: Rng) -> None:
        """Re-initialize the weights from ``rng`` with PyTorch's default distributions."""
        initialize(self, rng)

    def forward(self, latents: Tensor, class_index: Tensor) -> Tensor:
        """Return network inputs (n, c, h, w) in [-2, 2] for latents (n, latent) and class indices (n,)."""
        one_hot = F.one_hot(class_index, self.classes).to(latents)
        features = self.dense(torch.cat([latents, one_hot], dim=1))
        features = self.middle(F.interpolate(features, size=self.sizes[1]))
        return OUTPUT_RANGE * self.last(F.interpolate(features, size=self.sizes[2])).tanh()  # type: ignore[no-any-return]

    def inputs(self, latents: Tensor, class_index: Tensor, preprocessing: Preprocessing) -> Tensor:
        return self(latents, class_index)  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
