"""Kernels as values: how alike two features are. Sums and positive multiples of kernels are kernels: ``RBF() + 2 * Linear()``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.plain import Registered

SAMPLE = 128  # features that a `Scale` is taken from


@dataclass(frozen=True, eq=False)
class Scale:
    """What kernels set their lengths by, taken from real features; no gradient goes through it."""

    dims: int
    median: Tensor  # distance of two different features, a scalar
    largest: Tensor  # squared length of a feature, a scalar

    @classmethod
    def from_features(cls, features: Tensor) -> Scale:
        """That of the first `SAMPLE` of ``features`` (n, dims): the lower median over all pairs; 1 if that is no length."""
        some = features.detach()[:SAMPLE]
        first, second = torch.triu_indices(len(some), len(some), 1, device=some.device)
        distances = squared_distances(some, some)[first, second]
        median = distances.median().sqrt() if len(distances) else some.new_zeros(())
        return cls(some.shape[1], torch.where(median > 0, median, torch.ones_like(median)), some.square().sum(1).amax())


@dataclass(frozen=True)
class Kernel(Registered, ABC):
    """A positive definite kernel. Subclasses are frozen dataclasses of settings."""

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        """The Gram matrix (n, m) of features ``x`` (n, dims) and ``y`` (m, dims)."""

    @abstractmethod
    def curvature(self, scale: Scale) -> Tensor:
        """How fast the kernel's gradient changes with a feature, about: its inverse is the step that suits gradient descent."""

    @property
    def mean_factor(self) -> float | None:
        """By what the squared distance of two means is multiplied to give the squared MMD; None if means don't decide it."""
        return None

    def __add__(self, other: Kernel) -> Kernel:
        return Sum((self, other))

    def __rmul__(self, factor: float) -> Kernel:
        return Scaled(float(factor), self)

    __mul__ = __rmul__


@dataclass(frozen=True)
class Linear(Kernel):
    """The inner product. Its squared MMD is the squared distance of means, so means suffice."""

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
    """(factor * inner product + offset) ** degree: as many moments as its degree."""

    name: ClassVar[str] = "polynomial"
    degree: int = 2
    offset: float = 1.0
    factor: float | None = None  # None: 1 / dims

    def __post_init__(self) -> None:
        if self.degree < 1:
            raise CondensationError(f"The degree of a polynomial kernel is {self.degree}; it must be at least 1.")
        if not self.offset >= 0 or not (self.factor is None or self.factor > 0):
            raise CondensationError(
                f"The offset of a polynomial kernel is {self.offset} and its factor {self.factor}; "
                "the offset must be 0 or more, the factor above 0 or none."
            )

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return (self._factor(scale) * (x @ y.T) + self.offset) ** self.degree

    def curvature(self, scale: Scale) -> Tensor:
        # Both parts of the second derivative, where the inner product is as large as that of the longest real feature.
        product = self._factor(scale) * scale.largest
        base, degree = product + self.offset, self.degree
        return self._factor(scale) * degree * (base ** (degree - 1) + (degree - 1) * product * base ** max(0, degree - 2))

    def _factor(self, scale: Scale) -> float:
        return 1 / scale.dims if self.factor is None else self.factor


@dataclass(frozen=True)
class _Radial(Kernel):
    """A mean over bandwidths of a function of the distance; bandwidths are in median distances of real features."""

    bandwidths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)

    def __post_init__(self) -> None:
        if not self.bandwidths or not all(bandwidth > 0 for bandwidth in self.bandwidths):
            raise CondensationError(f"The bandwidths of a kernel are {list(self.bandwidths)}; give at least one, all above 0.")


@dataclass(frozen=True)
class RBF(_Radial):
    """exp(-distance² / (2 bandwidth²)), the mean over several bandwidths."""

    name: ClassVar[str] = "rbf"

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        relative = squared_distances(x, y) / (2 * scale.median.square())
        return torch.stack([torch.exp(-relative / bandwidth**2) for bandwidth in self.bandwidths]).mean(0)

    def curvature(self, scale: Scale) -> Tensor:
        return sum(bandwidth**-2 for bandwidth in self.bandwidths) / len(self.bandwidths) / scale.median.square()


@dataclass(frozen=True)
class Laplacian(_Radial):
    """exp(-distance / bandwidth) with the Euclidean distance, the mean over several bandwidths.

    It has a kink where two features are equal; the gradient there is taken as zero.
    """

    name: ClassVar[str] = "laplacian"

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        squared = squared_distances(x, y)
        apart = squared > 0
        relative = torch.where(apart, squared, 1).sqrt() * apart / scale.median
        return torch.stack([torch.exp(-relative / bandwidth) for bandwidth in self.bandwidths]).mean(0)

    def curvature(self, scale: Scale) -> Tensor:
        # That at a median distance; at the kink there is none.
        return sum(1 / bandwidth for bandwidth in self.bandwidths) / len(self.bandwidths) / scale.median.square()


@dataclass(frozen=True)
class Sum(Kernel):
    """The sum of kernels, as ``a + b`` makes it."""

    name: ClassVar[str] = "sum"
    kernels: tuple[Kernel, ...] = field(default=(RBF(), Linear()))

    def __post_init__(self) -> None:
        if not self.kernels:
            raise CondensationError("A sum of kernels needs at least one kernel.")

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return torch.stack([kernel(x, y, scale) for kernel in self.kernels]).sum(0)

    def curvature(self, scale: Scale) -> Tensor:
        return torch.stack([kernel.curvature(scale) for kernel in self.kernels]).sum()

    @property
    def mean_factor(self) -> float | None:
        factors = [kernel.mean_factor for kernel in self.kernels]
        known = [factor for factor in factors if factor is not None]
        return sum(known) if len(known) == len(factors) else None


@dataclass(frozen=True)
class Scaled(Kernel):
    """A multiple of a kernel, as ``2 * a`` makes it."""

    name: ClassVar[str] = "scaled"
    factor: float = 1.0
    kernel: Kernel = RBF()

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise CondensationError(f"The factor of a kernel is {self.factor}; it must be above 0.")

    def __call__(self, x: Tensor, y: Tensor, scale: Scale) -> Tensor:
        return self.factor * self.kernel(x, y, scale)

    def curvature(self, scale: Scale) -> Tensor:
        return self.factor * self.kernel.curvature(scale)

    @property
    def mean_factor(self) -> float | None:
        return None if self.kernel.mean_factor is None else self.factor * self.kernel.mean_factor


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m) of ``x`` (n, dims) and ``y`` (m, dims); those that drown in rounding are zero."""
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)[None]
    squared = lengths - 2 * (x @ y.T)
    return torch.where(squared > 8 * torch.finfo(x.dtype).eps * lengths, squared, 0)


# In the order of the results table.
KERNELS: dict[str, Kernel] = {kernel.name: kernel for kernel in (Linear(), Polynomial(), RBF(), Laplacian(), Sum(), Scaled())}
