"""What every neural tangent kernel has: the architecture that it is of, its value for pairs of images, and what that takes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from condensation.core.errors import CondensationError
from condensation.core.images import Shape
from condensation.core.plain import Registered

BYTES = 8  # of a float64: in float32, small eigenvalues drown
TENSORS = 7  # of as many numbers as `NTK.entries` says, that torch keeps of a layer for the gradient; and as many on the way back


@dataclass(frozen=True)
class NTK(Registered, ABC):
    """The kernel of the gradients of an infinitely wide ReLU network at initialisation (Jacot et al., 2018); settings, frozen.

    Networks are in the parametrisation of that paper: weights and biases are standard normal, a layer multiplies the one by
    w_std / sqrt(fan-in) and the other by b_std. All layers learn, and the last one is linear.
    """

    depth: int = 1  # layers before the last, each with a ReLU
    w_std: float = math.sqrt(2)  # published
    b_std: float = 0.1  # published

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise CondensationError(f"The depth of a kernel is {self.depth}; it must be at least 1.")
        if not self.w_std > 0 or not self.b_std >= 0:
            raise CondensationError(
                f"The w_std of a kernel is {self.w_std} and its b_std {self.b_std}; w_std must be above 0, b_std 0 or more."
            )

    @abstractmethod
    def variances(self, images: Tensor) -> list[Tensor]:
        """Of what goes into each ReLU, for each of ``images`` (n, c, h, w): tensors (n, ...)."""

    @abstractmethod
    def pairs(self, x: Tensor, y: Tensor, of_x: list[Tensor], of_y: list[Tensor]) -> Tensor:
        """The kernel (n, m) of images ``x`` (n, c, h, w) and ``y`` (m, c, h, w), given the `variances` of both."""

    def check(self, image_shape: Shape) -> None:
        """Refuse images that are too small for the architecture.

        Raises:
            CondensationError: if they are.
        """

    @abstractmethod
    def entries(self, image_shape: Shape) -> int:
        """How many numbers a layer keeps of a pair of images, at most."""

    @abstractmethod
    def hidden(self, image_shape: Shape, width: int) -> list[nn.Module]:
        """All layers but the last of the same network with ``width`` units or channels a layer; they give (n, dims)."""

    def pair_bytes(self, image_shape: Shape) -> int:
        """About how much memory a pair of images takes while its gradient is worked out."""
        return BYTES * self.entries(image_shape) * TENSORS * (self.depth + 1)

    def dense(self, kernel: Tensor) -> Tensor:
        """What a layer of weights makes of a mean product ``kernel`` of what goes into it."""
        return self.w_std**2 * kernel + self.b_std**2
