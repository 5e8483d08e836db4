"""How raw pixels become what a network sees, as a value: fitted once, invertible, and saved with every condensed set."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from condensation.core.errors import CondensationError


class Preprocessing(ABC):
    """An invertible map from pictures in [0, 1], (n, c, h, w), to the inputs of a network, of the same shape."""

    @abstractmethod
    def __call__(self, pictures: Tensor) -> Tensor:
        """The inputs of a network for ``pictures``."""

    @abstractmethod
    def inverse(self, inputs: Tensor) -> Tensor:
        """The pictures for ``inputs``; values may fall outside [0, 1] where the inputs were learned."""

    def tensors(self) -> dict[str, Tensor]:
        """All that is needed to make it again, for saving: ``type(self)(**tensors)``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Preprocessing:
        """The same on ``device``."""
        return type(self)(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def fingerprint(self) -> str:
        """A name for what it does, to tell whether something was made with the same."""
        digest = hashlib.blake2b(digest_size=8)
        for tensor in self.tensors().values():
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return f"{type(self).__name__} {digest.hexdigest()}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        mine, theirs = self.tensors(), other.tensors()
        return mine.keys() == theirs.keys() and all(torch.equal(mine[name].cpu(), theirs[name].cpu()) for name in mine)

    def __hash__(self) -> int:
        return hash(type(self))


@dataclass(frozen=True, eq=False)
class Identity(Preprocessing):
    """Pictures in [0, 1] as they are."""

    def __call__(self, pictures: Tensor) -> Tensor:
        return pictures

    def inverse(self, inputs: Tensor) -> Tensor:
        return inputs


@dataclass(frozen=True, eq=False)
class Standardize(Preprocessing):
    """Each channel less its mean, over its standard deviation."""

    mean: Tensor  # (c,)
    std: Tensor  # (c,)

    @classmethod
    def fit(cls, batches: Iterable[Tensor]) -> Standardize:
        """The mean and deviation of every pixel of ``batches`` (n, c, h, w) in [0, 1], summed in float64."""
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
    def of_counts(cls, counts: Tensor) -> Standardize:
        """As `fit`, of images of bytes, from how often each channel has each value: ``counts`` (c, 256)."""
        exact = (torch.arange(256).float() / 255).double()
        counts, pixels = counts.double(), counts.sum(1)
        return cls._of_sums((counts * exact).sum(1), (counts * exact.square()).sum(1), pixels)

    @classmethod
    def _of_sums(cls, total: Tensor, squares: Tensor, pixels: Tensor | int) -> Standardize:
        mean = total / pixels
        # A channel that never changes would divide by zero; it is left as it is, less its mean.
        variance = (squares / pixels - mean.square()).clamp(min=0)
        return cls(mean.float(), torch.where(variance > 1e-12, variance.sqrt(), 1.0).float())

    def __call__(self, pictures: Tensor) -> Tensor:
        return (pictures - _per_channel(self.mean, pictures)) / _per_channel(self.std, pictures)

    def inverse(self, inputs: Tensor) -> Tensor:
        return inputs * _per_channel(self.std, inputs) + _per_channel(self.mean, inputs)


@dataclass(frozen=True, eq=False)
class Zca(Preprocessing):
    """Regularised ZCA whitening, as of "KIP" (Nguyen et al., 2021, appendix).

    Channels are standardised, then each image is brought to mean zero and length one, then whitened by
    W = U (S + reg tr(S) / d)^(-1/2) U^T, where U S U^T is the covariance of the training images. An image's own mean and
    length are lost on the way: `inverse` puts the average ones of the training images in their place, or
    those given.
    """

    mean: Tensor  # (c,)
    std: Tensor  # (c,)
    whiten: Tensor  # (d, d) with d = c h w
    unwhiten: Tensor  # (d, d), its inverse
    average: Tensor  # (2,) the average mean and length of a training image, once standardised

    @classmethod
    def fit(cls, batches: Iterable[Tensor], reg: float = 0.1) -> Zca:
        """Fitted on ``batches`` (n, c, h, w) of pictures in [0, 1], which are gone through twice; the covariance is summed in float64.

        An iterable that makes its batches anew each time never holds them all at once; an iterator has to be kept whole.
        """
        batches = list(batches) if isinstance(batches, Iterator) else batches
        standardize = Standardize.fit(batches)
        covariance = torch.zeros(())
        statistics = []
        for pictures in batches:
            standard = standardize(pictures)
            own = _mean_and_length(standard)
            flat = _normalise(standard, own).flatten(1).double()
            covariance = covariance + flat.T @ flat
            statistics.append(own)
        own = torch.cat(statistics)
        covariance = covariance / len(own)
        dims = len(covariance)
        if not (reg > 0 and covariance.trace() > 0):  # every image has mean zero, so the plain covariance has no inverse
            raise CondensationError("ZCA needs a reg above 0 and images that are not all blank.")
        ridge = reg * covariance.trace() / dims * torch.eye(dims, dtype=covariance.dtype, device=covariance.device)
        values, vectors = torch.linalg.eigh(covariance + ridge)
        return cls(
            standardize.mean,
            standardize.std,
            ((vectors * values.rsqrt()) @ vectors.T).float(),
            ((vectors * values.sqrt()) @ vectors.T).float(),
            own.mean(0),
        )

    def statistics(self, pictures: Tensor) -> Tensor:
        """The mean and length (n, 2) that each of ``pictures`` loses; `inverse` takes them."""
        return _mean_and_length(self._standardize(pictures))

    def __call__(self, pictures: Tensor) -> Tensor:
        standard = self._standardize(pictures)
        flat = _normalise(standard, _mean_and_length(standard)).flatten(1)
        return (flat @ self.whiten.to(flat)).view_as(pictures)

    def inverse(self, inputs: Tensor, statistics: Tensor | None = None) -> Tensor:
        flat = (inputs.flatten(1) @ self.unwhiten.to(inputs)).view_as(inputs)
        own = (self.average[None] if statistics is None else statistics).to(inputs)
        standard = flat * own[:, 1].view(-1, 1, 1, 1) + own[:, 0].view(-1, 1, 1, 1)
        return Standardize(self.mean, self.std).inverse(standard)

    def _standardize(self, pictures: Tensor) -> Tensor:
        return Standardize(self.mean, self.std)(pictures)


PREPROCESSINGS: dict[str, type[Preprocessing]] = {"identity": Identity, "standardize": Standardize, "zca": Zca}


def _per_channel(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images).view(1, -1, 1, 1)


def _mean_and_length(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    mean = flat.mean(1, keepdim=True)
    # A blank image has no length; one keeps it at zero instead of dividing by zero.
    length = (flat - mean).norm(dim=1, keepdim=True)
    return torch.cat([mean, torch.where(length > 1e-8, length, 1.0)], dim=1)


def _normalise(images: Tensor, statistics: Tensor) -> Tensor:
    mean, length = statistics.view(-1, 2, 1, 1, 1).unbind(1)
    return (images - mean) / length
