"""Base of the neural tangent kernels: architecture, values for pairs of images, and memory."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from condensation.core.errors import require
from condensation.core.images import Shape
from condensation.core.plain import Registered

BYTES = 8  # per float64; float32 rounding would exceed small eigenvalues
TENSORS = 7  # tensors of `NTK.numbers_per_pair` numbers that torch keeps per layer for the gradient, and again in the backward pass


@dataclass(frozen=True)
class NTK(Registered, ABC):
    """Neural tangent kernel of an infinitely wide ReLU network at initialization (Jacot et al., 2018).

    Networks have the parametrization of that paper: weights and biases are standard normal; a layer multiplies its weights by
    w_std / sqrt(fan-in) and its biases by b_std. All layers are trained, and the last one is linear.
    """

    depth: int = 1
    """Hidden layers, each with a ReLU; at least 1."""
    w_std: float = math.sqrt(2)
    """Standard deviation of the weights, above 0; the default is the published value."""
    b_std: float = 0.1
    """Standard deviation of the biases, at least 0; the default is the published value."""

    def __post_init__(self) -> None:
        require(self, "kernel", ["depth"], lambda value: value >= 1, "at least 1")
        require(self, "kernel", ["w_std"], lambda value: value > 0, "above 0")
        require(self, "kernel", ["b_std"], lambda value: value >= 0, "at least 0")

    @abstractmethod
    def variances(self, images: Tensor) -> list[Tensor]:
        """Return the variances of the inputs of each ReLU for ``images`` (n, c, h, w): tensors (n, ...)."""

    @abstractmethod
    def pairs(self, x: Tensor, y: Tensor, x_variances: list[Tensor], y_variances: list[Tensor]) -> Tensor:
        """Return the kernel (n, m) of images ``x`` (n, c, h, w) and ``y`` (m, c, h, w), given the `variances` of each."""

    def validate(self, image_shape: Shape) -> None:
        """Check that images are large enough for the architecture. Raise CondensationError if they are too small."""

    @abstractmethod
    def numbers_per_pair(self, image_shape: Shape) -> int:
        """Return the largest number of values that a layer keeps per pair of images."""

    @abstractmethod
    def hidden_layers(self, image_shape: Shape, width: int) -> list[nn.Module]:
        """Return all layers but the last of a finite network with ``width`` units or channels per layer; their output is (n, dims)."""

    def pair_bytes(self, image_shape: Shape) -> int:
        """Return the approximate memory in bytes per pair of images while its gradient is computed."""
        return BYTES * self.numbers_per_pair(image_shape) * TENSORS * (self.depth + 1)

    def after_weights(self, kernel: Tensor) -> Tensor:
        """Return the covariance of the outputs of a layer of weights whose inputs have the mean product ``kernel``."""
        return self.w_std**2 * kernel + self.b_std**2
