"""Invertible maps from pixels to the inputs of a network, fitted once and saved with every condensed set."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from condensation.core.errors import CondensationError


class Preprocessing(ABC):
    """An invertible map from pictures in [0, 1], (n, c, h, w), to the inputs of a network, of the same shape.

    >>> import torch
    >>> from condensation import load
    >>> train = load("digits").train
    >>> pictures = train.pictures()  # (n, c, h, w) in [0, 1]
    >>> torch.allclose(train.preprocessing.inverse(train.preprocessing(pictures)), pictures, atol=1e-5)
    True
    """

    is_per_channel: ClassVar[bool] = False
    """True for an affine map of each channel alone, which commutes with enlarging."""

    @abstractmethod
    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the inputs of a network for ``pictures``."""

    @abstractmethod
    def inverse(self, inputs: Tensor) -> Tensor:
        """Return the pictures for ``inputs``; learned inputs may give values outside [0, 1]."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the constants to save; ``type(self)(**tensors)`` makes an equal map."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Preprocessing:
        """Return the map on ``device``."""
        return type(self)(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def fingerprint(self) -> str:
        """Return the type and a digest of the constants."""
        digest = hashlib.blake2b(digest_size=8)
        for tensor in self.tensors().values():
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return f"{type(self).__name__} {digest.hexdigest()}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        tensors, others = self.tensors(), other.tensors()
        return tensors.keys() == others.keys() and all(torch.equal(tensors[name].cpu(), others[name].cpu()) for name in tensors)

    def __hash__(self) -> int:
        return hash(type(self))


@dataclass(frozen=True, eq=False)
class Identity(Preprocessing):
    """Map that leaves pictures in [0, 1] unchanged.

    >>> import torch
    >>> from condensation import Identity
    >>> Identity()(torch.full((1, 1, 2, 2), 0.5)).flatten().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    is_per_channel = True

    def __call__(self, pictures: Tensor) -> Tensor:
        return pictures

    def inverse(self, inputs: Tensor) -> Tensor:
        return inputs


@dataclass(frozen=True, eq=False)
class Standardize(Preprocessing):
    """Map that subtracts the mean of each channel and divides by its standard deviation.

    >>> import torch
    >>> from condensation import Standardize
    >>> standardize = Standardize.fit([torch.rand(100, 3, 8, 8)])
    >>> standardize(torch.rand(2, 3, 8, 8)).shape, standardize.mean.shape
    (torch.Size([2, 3, 8, 8]), torch.Size([3]))
    """

    is_per_channel = True
    mean: Tensor
    """Mean of each channel, (c,)."""
    std: Tensor
    """Standard deviation of each channel, (c,)."""

    @classmethod
    def fit(cls, batches: Iterable[Tensor]) -> Standardize:
        """Return the map for all pixels of ``batches`` (n, c, h, w) in [0, 1], summed in float64."""
        total: Tensor | float = 0.0
        squares: Tensor | float = 0.0
        pixels = 0
        for pictures in batches:
            exact = pictures.double()
            total = total + exact.sum((0, 2, 3))
            squares = squares + exact.square().sum((0, 2, 3))
            pixels += exact.numel() // exact.shape[1]
        return cls._of_sums(torch.as_tensor(total), torch.as_tensor(squares), pixels)

    @classmethod
    def centered(cls, channels: int) -> Standardize:
        """Return the map from [0, 1] to [-1, 1], whose constants depend on no image."""
        return cls(torch.full((channels,), 0.5), torch.full((channels,), 0.5))

    @classmethod
    def of_counts(cls, counts: Tensor) -> Standardize:
        """Return the map for uint8 images with ``counts`` (c, 256) of each value in each channel, as `fit` would."""
        exact = (torch.arange(256).float() / 255).double()
        counts, pixels = counts.double(), counts.sum(1)
        return cls._of_sums((counts * exact).sum(1), (counts * exact.square()).sum(1), pixels)

    @classmethod
    def _of_sums(cls, total: Tensor, squares: Tensor, pixels: Tensor | int) -> Standardize:
        mean = total / pixels
        # A constant channel would be divided by zero; only its mean is subtracted.
        variance = (squares / pixels - mean.square()).clamp(min=0)
        return cls(mean.float(), torch.where(variance > 1e-12, variance.sqrt(), 1.0).float())

    def __call__(self, pictures: Tensor) -> Tensor:
        return (pictures - _per_channel(self.mean, pictures)) / _per_channel(self.std, pictures)

    def inverse(self, inputs: Tensor) -> Tensor:
        return inputs * _per_channel(self.std, inputs) + _per_channel(self.mean, inputs)


@dataclass(frozen=True, eq=False)
class Zca(Preprocessing):
    """Regularised ZCA whitening of KIP (Nguyen et al., 2021, appendix).

    It standardizes each channel, normalizes each image to mean zero and length one, and multiplies by
    W = U (S + reg tr(S) / d)^(-1/2) U^T, where U S U^T is the covariance of the training images. The normalization discards the mean
    and length of an image: `inverse` uses the given ones, or the averages over the training images.

    >>> import torch
    >>> from condensation import Zca
    >>> zca = Zca.fit([torch.rand(50, 3, 4, 4)])
    >>> zca(torch.rand(2, 3, 4, 4)).shape, zca.whiten.shape
    (torch.Size([2, 3, 4, 4]), torch.Size([48, 48]))
    """

    mean: Tensor
    """Mean of each channel, (c,)."""
    std: Tensor
    """Standard deviation of each channel, (c,)."""
    whiten: Tensor
    """The matrix W, (d, d) with d = c h w."""
    unwhiten: Tensor
    """The inverse of W, (d, d)."""
    average: Tensor
    """Average mean and length of a standardized training image, (2,)."""

    @classmethod
    def fit(cls, batches: Iterable[Tensor], reg: float = 0.1) -> Zca:
        """Return the map for ``batches`` (n, c, h, w) in [0, 1], read twice, with sums in float64; an iterator is held in memory."""
        batches = list(batches) if isinstance(batches, Iterator) else batches
        standardize = Standardize.fit(batches)
        covariance = torch.zeros(())
        statistics = []
        for pictures in batches:
            standard = standardize(pictures)
            statistics.append(_mean_and_length(standard))
            flat = _normalise(standard, statistics[-1]).flatten(1).double()
            covariance = covariance + flat.T @ flat
        all_statistics = torch.cat(statistics)
        covariance = covariance / len(all_statistics)
        dims = len(covariance)
        if not (reg > 0 and covariance.trace() > 0):  # every image has mean zero, so the covariance alone has no inverse
            raise CondensationError(f"ZCA needs reg above 0 and images that are not all blank; reg is {reg:g}.")
        ridge = reg * covariance.trace() / dims * torch.eye(dims, dtype=covariance.dtype, device=covariance.device)
        values, vectors = torch.linalg.eigh(covariance + ridge)
        whiten, unwhiten = (((vectors * scale) @ vectors.T).float() for scale in (values.rsqrt(), values.sqrt()))
        return cls(standardize.mean, standardize.std, whiten, unwhiten, all_statistics.mean(0))

    def statistics(self, pictures: Tensor) -> Tensor:
        """Return the mean and length (n, 2) of each of ``pictures``, for `inverse`."""
        return _mean_and_length(Standardize(self.mean, self.std)(pictures))

    def __call__(self, pictures: Tensor) -> Tensor:
        standard = Standardize(self.mean, self.std)(pictures)
        flat = _normalise(standard, _mean_and_length(standard)).flatten(1)
        return (flat @ self.whiten.to(flat)).view_as(pictures)

    def inverse(self, inputs: Tensor, statistics: Tensor | None = None) -> Tensor:
        flat = (inputs.flatten(1) @ self.unwhiten.to(inputs)).view_as(inputs)
        mean, length = (self.average[None] if statistics is None else statistics).to(inputs).view(-1, 2, 1, 1, 1).unbind(1)
        standard = flat * length + mean
        return Standardize(self.mean, self.std).inverse(standard)


PREPROCESSINGS: dict[str, type[Preprocessing]] = {"identity": Identity, "standardize": Standardize, "zca": Zca}


def _per_channel(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images).view(1, -1, 1, 1)


def _mean_and_length(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    mean = flat.mean(1, keepdim=True)
    # A length of one keeps a blank image at zero instead of dividing by zero.
    length = (flat - mean).norm(dim=1, keepdim=True)
    return torch.cat([mean, torch.where(length > 1e-8, length, 1.0)], dim=1)


def _normalise(images: Tensor, statistics: Tensor) -> Tensor:
    mean, length = statistics.view(-1, 2, 1, 1, 1).unbind(1)
    return (images - mean) / length
