"""Kernels on features. Sums and positive multiples of kernels are kernels: ``RBF() + 2 * Linear()``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.errors import require
from condensation.core.plain import Registered

SAMPLE = 128  # number of features from which a `Scale` is computed


@dataclass(frozen=True, eq=False)
class Scale:
    """Scale of real features, in which kernels measure distances; constant for autograd."""

    dims: int
    median: Tensor  # distance between two different features, a scalar
    largest: Tensor  # squared norm of a feature, a scalar

    @classmethod
    def from_features(cls, features: Tensor) -> Scale:
        """Return the scale of the first `SAMPLE` of ``features`` (n, dims); the lower median of all pairs, or 1 if that is 0."""
        sample = features.detach()[:SAMPLE]
        first, second = torch.triu_indices(len(sample), len(sample), 1, device=sample.device)
        distances = squared_distances(sample, sample)[first, second]
        median = distances.median().sqrt() if len(distances) else sample.new_zeros(())
        return cls(sample.shape[1], torch.where(median > 0, median, torch.ones_like(median)), sample.square().sum(1).amax())


@dataclass(frozen=True)
class Kernel(Registered, ABC):
    """A positive definite kernel. Subclasses are frozen dataclasses of settings."""

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        """Return the Gram matrix (n, m) of features ``x`` (n, dims) and ``y`` (m, dims)."""

    @abstractmethod
    def curvature(self, scale: Scale) -> Tensor:
        """Return an approximate bound of the kernel's second derivative; its inverse is a suitable gradient step."""

    @property
    def mean_factor(self) -> float | None:
        """Factor c with MMD^2 = c * |mu1 - mu2|^2, or None for kernels that need all pairs."""
        return None

    def __add__(self, other: Kernel) -> Kernel:
        return Sum((self, other))

    def __rmul__(self, factor: float) -> Kernel:
        return Scaled(float(factor), self)

    __mul__ = __rmul__


@dataclass(frozen=True)
class Linear(Kernel):
    """k(x, y) = <x, y>; its MMD is the distance of the means."""

    name: ClassVar[str] = "linear"

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return x @ y.T

    def curvature(self, scale: Scale) -> Tensor:
        return torch.ones_like(scale.median)

    @property
    def mean_factor(self) -> float | None:
        return 1.0


@dataclass(frozen=True)
class Polynomial(Kernel):
    """k(x, y) = (factor * <x, y> + offset) ^ degree; its MMD compares moments up to the degree."""

    name: ClassVar[str] = "polynomial"
    degree: int = 2
    """Exponent; at least 1."""
    offset: float = 1.0
    """Constant added to the inner product; at least 0."""
    factor: float | None = None
    """Factor of the inner product; above 0. None: 1 / dims."""

    def __post_init__(self) -> None:
        require(self, "method.kernel", ["degree"], lambda value: value >= 1, "at least 1")
        require(self, "method.kernel", ["offset"], lambda value: value >= 0, "at least 0")
        require(self, "method.kernel", ["factor"], lambda value: value is None or value > 0, "above 0")

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return (self._factor(scale) * (x @ y.T) + self.offset) ** self.degree

    def curvature(self, scale: Scale) -> Tensor:
        # Both terms of the second derivative, at the inner product of the longest real feature with itself.
        product = self._factor(scale) * scale.largest
        base, degree = product + self.offset, self.degree
        return self._factor(scale) * degree * (base ** (degree - 1) + (degree - 1) * product * base ** max(0, degree - 2))

    def _factor(self, scale: Scale) -> float:
        return 1 / scale.dims if self.factor is None else self.factor


@dataclass(frozen=True)
class _Radial(Kernel):
    """Mean over bandwidths of a function of the distance."""

    bandwidths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """Bandwidths, in units of the median distance of real features; at least one, all above 0."""

    def __post_init__(self) -> None:
        require(self, "method.kernel", ["bandwidths"], lambda values: min(values, default=0) > 0, "at least one number, all above 0")


@dataclass(frozen=True)
class RBF(_Radial):
    """k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)), averaged over bandwidths."""

    name: ClassVar[str] = "rbf"

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        relative = squared_distances(x, y) / (2 * scale.median.square())
        return torch.stack([torch.exp(-relative / bandwidth**2) for bandwidth in self.bandwidths]).mean(0)

    def curvature(self, scale: Scale) -> Tensor:
        return sum(bandwidth**-2 for bandwidth in self.bandwidths) / len(self.bandwidths) / scale.median.square()


@dataclass(frozen=True)
class Laplacian(_Radial):
    """k(x, y) = exp(-|x - y| / bandwidth), averaged over bandwidths; where x = y, the gradient is taken as zero."""

    name: ClassVar[str] = "laplacian"

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        squared = squared_distances(x, y)
        differ = squared > 0
        relative = torch.where(differ, squared, 1).sqrt() * differ / scale.median
        return torch.stack([torch.exp(-relative / bandwidth) for bandwidth in self.bandwidths]).mean(0)

    def curvature(self, scale: Scale) -> Tensor:
        # The value at the median distance; at x = y the kernel has no second derivative.
        return sum(1 / bandwidth for bandwidth in self.bandwidths) / len(self.bandwidths) / scale.median.square()


@dataclass(frozen=True)
class Sum(Kernel):
    """Sum of kernels, made by ``a + b``."""

    name: ClassVar[str] = "sum"
    kernels: tuple[Kernel, ...] = (RBF(), Linear())
    """Kernels to add; at least one."""

    def __post_init__(self) -> None:
        require(self, "method.kernel", ["kernels"], bool, "at least one kernel")

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return torch.stack([kernel(x, y, scale) for kernel in self.kernels]).sum(0)

    def curvature(self, scale: Scale) -> Tensor:
        return torch.stack([kernel.curvature(scale) for kernel in self.kernels]).sum()

    @property
    def mean_factor(self) -> float | None:
        factors = [factor for kernel in self.kernels if (factor := kernel.mean_factor) is not None]
        return sum(factors) if len(factors) == len(self.kernels) else None


@dataclass(frozen=True)
class Scaled(Kernel):
    """Multiple of a kernel, made by ``2 * a``."""

    name: ClassVar[str] = "scaled"
    factor: float = 1.0
    """Factor of the kernel; above 0."""
    kernel: Kernel = RBF()
    """Kernel to multiply."""

    def __post_init__(self) -> None:
        require(self, "method.kernel", ["factor"], lambda value: value > 0, "above 0")

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return self.factor * self.kernel(x, y, scale)

    def curvature(self, scale: Scale) -> Tensor:
        return self.factor * self.kernel.curvature(scale)

    @property
    def mean_factor(self) -> float | None:
        return None if self.kernel.mean_factor is None else self.factor * self.kernel.mean_factor


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return squared Euclidean distances (n, m) of ``x`` (n, dims) and ``y`` (m, dims); those below rounding error are zero."""
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)[None]
    squared = lengths - 2 * (x @ y.T)
    return torch.where(squared > 8 * torch.finfo(x.dtype).eps * lengths, squared, 0)


# In the order of the results table.
KERNELS: dict[str, Kernel] = {kernel.name: kernel for kernel in (Linear(), Polynomial(), RBF(), Laplacian(), Sum(), Scaled())}
