"""Forms: what an image set stores, and what a network sees of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

from condensation.core.errors import CondensationError, unknown
from condensation.core.plain import Registered
from condensation.core.preprocessing import Preprocessing


class Form(Registered, ABC):
    """Map from stored images to the images that a network sees; several seen images share the pixels of one stored image.

    >>> from condensation import DM, ConvNet, Fresh, Tiles, condense, load
    >>> method = DM(steps=1, batch_per_class=8, networks=Fresh(ConvNet(width=8)), form=Tiles(2))
    >>> small = condense(method, load("digits").train, ipc=1)
    >>> len(small), len(small.decoded())  # stored images, seen images
    (10, 40)
    """

    is_picture: ClassVar[bool] = True
    """True if a stored image can be drawn and rounded to 8 bits; False if only the seen images can."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Seen images per stored image."""

    @property
    @abstractmethod
    def gain(self) -> float:
        """Largest factor by which `decode` multiplies the squared length of a stored image."""

    @abstractmethod
    def decode(self, stored: Tensor) -> Tensor:
        """Return the seen images (n * count, c, h, w) of ``stored`` (n, c, h, w), differentiably; those of one image are adjacent."""

    @abstractmethod
    def encode(self, seen: Tensor) -> Tensor:
        """Return stored images (n, c, h, w) that hold ``seen`` (n * count, c, h, w) as well as possible."""

    def check_size(self, height: int, width: int) -> None:
        """Check that images of this size in pixels can be stored, as `check` does. Raise CondensationError if they cannot."""
        return

    @abstractmethod
    def check(self, shape: tuple[int, int, int], preprocessing: Preprocessing) -> None:
        """Check that images of ``shape`` (c, h, w) with ``preprocessing`` can be stored. Raise CondensationError if they cannot."""

    @property
    @abstractmethod
    def torch_code(self) -> str:
        """Lines of plain PyTorch that decode ``images`` (n, c, h, w) and repeat ``labels`` (n, ...)."""


@dataclass(frozen=True)
class Tiles(Form):
    """Each stored image is a mosaic of ``factor`` x ``factor`` small images; a network sees each enlarged to full size.

    Enlarging is bilinear. This is the multi-formation of IDC (Kim et al., ICML 2022, section 3), except for the order: here the tiles of
    one stored image are adjacent, so that labels stay sorted. Enlarging commutes with per-channel normalization, so it is
    the same for pixels and for preprocessed images.

    >>> from condensation import Tiles
    >>> Tiles(2).count
    4
    """

    name: ClassVar[str] = "tiles"
    factor: int = 2
    """Tiles per side of a stored image, at least 2; it must divide height and width."""

    def __post_init__(self) -> None:
        _require_several(self, "factor", self.factor)

    @property
    def count(self) -> int:
        return self.factor**2

    @property
    def gain(self) -> float:
        return self.factor**2  # each stored pixel has a total weight of factor^2 in the seen pixels, whose weights sum to 1

    def decode(self, stored: Tensor) -> Tensor:
        n, c, h, w = stored.shape
        f = self.factor
        tiles = stored.view(n, c, f, h // f, f, w // f).permute(0, 2, 4, 1, 3, 5).reshape(n * f * f, c, h // f, w // f)
        # As matrix products, which take a fifth of the time of bilinear interpolation on a CPU, with the same result up to rounding.
        rows, columns = (F.interpolate(torch.eye(side // f).to(stored)[None], size=side, mode="linear")[0] for side in (h, w))
        return rows.T @ (tiles @ columns)

    def encode(self, seen: Tensor) -> Tensor:
        n, c, h, w = seen.shape
        f = self.factor
        tiles = F.avg_pool2d(seen, f).view(n // (f * f), f, f, c, h // f, w // f)
        return tiles.permute(0, 3, 1, 4, 2, 5).reshape(n // (f * f), c, h, w)

    def check(self, shape: tuple[int, int, int], preprocessing: Preprocessing) -> None:
        if not preprocessing.is_per_channel:
            message = f"Tiles need a preprocessing of each channel alone; {type(preprocessing).__name__} mixes the pixels of an image."
            raise CondensationError(message, hint='Use preprocessing="standardize", or no form.', setting="data.preprocessing")
        self.check_size(*shape[1:])

    def check_size(self, height: int, width: int) -> None:
        if height % self.factor == 0 and width % self.factor == 0:
            return
        fitting = [factor for factor in range(2, min(height, width) // 2 + 1) if height % factor == 0 and width % factor == 0]
        message = f"Images of {height} x {width} cannot be divided into {self.factor} x {self.factor} tiles of equal size."
        lower = (self.factor * (height // self.factor), self.factor * (width // self.factor))
        raise _not_divisible(message, "factor", fitting, lower)

    @property
    def torch_code(self) -> str:
        f = self.factor
        return (
            f"tiles = images.unflatten(3, ({f}, -1)).unflatten(2, ({f}, -1)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)\n"
            "rows, columns = (\n"
            f'    torch.nn.functional.interpolate(torch.eye(side // {f})[None], size=side, mode="linear")[0] for side in images.shape[2:]\n'
            ")  # bilinear enlarging\n"
            "images = rows.T @ (tiles @ columns)\n"
            f"labels = labels.repeat_interleave({f * f}, dim=0)"
        )


@dataclass(frozen=True)
class Frequencies(Form):
    """Each stored image holds the lowest frequencies of ``count`` images: coefficients of a cosine transform instead of pixels.

    FreD (Shin et al., NeurIPS 2023) chooses the frequencies of each class by their variance over real images. Low frequencies have most of
    it, so here all classes and channels share the lowest ones and no positions need to be stored. The transform is orthonormal: a step
    changes the seen pixels as much as the coefficients. It acts on the inputs of a network, so any preprocessing is
    possible; after whitening, however, images have less of their variance in the low frequencies.
    """

    name: ClassVar[str] = "frequencies"
    is_picture: ClassVar[bool] = False
    count: int = 16
    """Images per stored image, at least 2; it must divide the number of pixels, and each image has 1/count of the frequencies."""

    def __post_init__(self) -> None:
        _require_several(self, "count", self.count)

    @property
    def gain(self) -> float:
        return 1.0

    def decode(self, stored: Tensor) -> Tensor:
        n, c, h, w = stored.shape
        coefficients = stored.reshape(n, c, self.count, -1).transpose(1, 2).reshape(n * self.count, c, -1)
        positions = lowest_frequencies(h, w, self.count).to(stored.device)
        planes = stored.new_zeros(n * self.count, c, h * w).index_copy(2, positions, coefficients)
        return cosines(h).to(stored).T @ planes.view(-1, c, h, w) @ cosines(w).to(stored)

    def encode(self, seen: Tensor) -> Tensor:
        n, c, h, w = seen.shape
        planes = cosines(h).to(seen) @ seen @ cosines(w).to(seen).T
        coefficients = planes.flatten(2)[:, :, lowest_frequencies(h, w, self.count).to(seen.device)]
        return coefficients.reshape(n // self.count, self.count, c, -1).transpose(1, 2).reshape(n // self.count, c, h, w)

    def check(self, shape: tuple[int, int, int], preprocessing: Preprocessing) -> None:
        self.check_size(*shape[1:])

    def check_size(self, height: int, width: int) -> None:
        pixels = height * width
        if pixels % self.count:
            fitting = [count for count in range(2, min(64, pixels) + 1) if pixels % count == 0]
            message = f"The {pixels} frequencies of images of {height} x {width} cannot be divided among {self.count} images."
            less = next((less for less in range(min(height, width)) if (height - less) * (width - less) % self.count == 0), height)
            raise _not_divisible(message, "count", fitting, (height - less, width - less))

    @property
    def torch_code(self) -> str:
        return f"""def cosines(side):
    frequencies, pixels = torch.arange(side).double(), torch.arange(side).double() + 0.5
    waves = torch.cos(torch.pi / side * torch.outer(frequencies, pixels)) * (2 / side) ** 0.5
    return torch.cat([waves[:1] / 2**0.5, waves[1:]])
n, c, h, w = images.shape
cycles = torch.arange(h)[:, None] * w + torch.arange(w) * h
positions = cycles.flatten().argsort(stable=True)[: h * w // {self.count}]
coefficients = images.view(n, c, {self.count}, -1).transpose(1, 2).flatten(0, 1)
planes = torch.zeros(len(coefficients), c, h * w).index_copy(2, positions, coefficients)
images = cosines(h).T.float() @ planes.view(-1, c, h, w) @ cosines(w).float()
labels = labels.repeat_interleave({self.count}, dim=0)"""


@cache
def cosines(side: int) -> Tensor:
    """Return the orthonormal discrete cosine transform (DCT-II) of a line of pixels: (frequency, pixel), float64."""
    frequencies, pixels = torch.arange(side).double(), torch.arange(side).double() + 0.5
    waves = torch.cos(torch.pi / side * torch.outer(frequencies, pixels)) * (2 / side) ** 0.5
    return torch.cat([waves[:1] / 2**0.5, waves[1:]])


@cache
def lowest_frequencies(height: int, width: int, count: int) -> Tensor:
    """Return the flat positions (height * width / count,) of the lowest frequencies, ordered by their cycles per image length."""
    cycles = torch.arange(height)[:, None] * width + torch.arange(width) * height
    return cycles.flatten().argsort(stable=True)[: height * width // count]


def _require_several(form: Form, field: str, value: int) -> None:
    if value < 2:
        message = f"Expected a {field} of {form.name} of at least 2, got {value}."
        raise CondensationError(message, hint="Use no form to store each image as it is seen.", setting=f"method.form.{field}")


def _not_divisible(message: str, field: str, fitting: list[int], lower: tuple[int, int]) -> CondensationError:
    """Return the error with the ``lower`` height and width that fit, and the values of ``field`` that do."""
    size = (f"size={lower[0]}" if lower[0] == lower[1] else f'size="{lower[0]}x{lower[1]}"') if min(lower) > 0 else ""
    choices = [size and f"another size, such as {size}", 'no form (preset="classic")']
    choices += [f"a {field} of {' or '.join(map(str, fitting))}"] if fitting else []
    hint = f"Use {', or '.join(filter(None, choices))}."
    return CondensationError(message, hint=hint, setting=f"method.form.{field}")


FORMS: dict[str, Form] = {form.name: form for form in (Tiles(), Frequencies())}


def form_from_json(content: Mapping[str, Any]) -> Form:
    """Return the form of a card. Raise CondensationError if this version does not know it."""
    settings = {name: value for name, value in content.items() if name != "seen"}
    name = settings.pop("name", None)
    if name not in FORMS:
        raise unknown("form", name, FORMS)
    try:
        form: Form = type(FORMS[name])(**settings)
    except TypeError:
        raise CondensationError(f"The form {name!r} has other settings than {', '.join(settings)}.") from None
    return form
