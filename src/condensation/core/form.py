"""Forms: what an image set stores, and what a network sees of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

from condensation.core.errors import CondensationError, unknown
from condensation.core.plain import Registered, to_dict
from condensation.core.preprocessing import Preprocessing


class Form(Registered, ABC):
    """Map from stored images to the images that a network sees; several seen images share the pixels of one stored image."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Seen images per stored image."""

    @abstractmethod
    def decode(self, stored: Tensor) -> Tensor:
        """Return the seen images (n * count, c, h, w) of ``stored`` (n, c, h, w), differentiably; those of one image are adjacent."""

    @abstractmethod
    def encode(self, seen: Tensor) -> Tensor:
        """Return stored images (n, c, h, w) that hold ``seen`` (n * count, c, h, w) as well as possible."""

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
    """

    name: ClassVar[str] = "tiles"
    factor: int = 2
    """Tiles per side of a stored image, at least 2; it must divide height and width."""

    def __post_init__(self) -> None:
        if self.factor < 2:
            message = f"Expected a factor of tiles of at least 2, got {self.factor}."
            raise CondensationError(message, hint="Use no form to store each image as it is seen.", setting="method.form.factor")

    @property
    def count(self) -> int:
        return self.factor**2

    def decode(self, stored: Tensor) -> Tensor:
        n, c, h, w = stored.shape
        f = self.factor
        tiles = stored.view(n, c, f, h // f, f, w // f).permute(0, 2, 4, 1, 3, 5).reshape(n * f * f, c, h // f, w // f)
        return F.interpolate(tiles, size=(h, w), mode="bilinear")

    def encode(self, seen: Tensor) -> Tensor:
        n, c, h, w = seen.shape
        f = self.factor
        tiles = F.avg_pool2d(seen, f).view(n // (f * f), f, f, c, h // f, w // f)
        return tiles.permute(0, 3, 1, 4, 2, 5).reshape(n // (f * f), c, h, w)

    def check(self, shape: tuple[int, int, int], preprocessing: Preprocessing) -> None:
        _, height, width = shape
        if not preprocessing.is_per_channel:
            message = f"Tiles need a preprocessing of each channel alone; {type(preprocessing).__name__} mixes the pixels of an image."
            raise CondensationError(message, hint='Use preprocessing="standardize", or no form.', setting="data.preprocessing")
        if height % self.factor or width % self.factor:
            side = min(height, width)
            fitting = [str(factor) for factor in range(2, side // 2 + 1) if height % factor == 0 and width % factor == 0]
            hint = f"Use a factor of {' or '.join(fitting)}." if fitting else "Use no form, or images of another size."
            message = f"Images of {height} x {width} cannot be divided into tiles by a factor of {self.factor}."
            raise CondensationError(message, hint=hint, setting="method.form.factor")

    @property
    def torch_code(self) -> str:
        f = self.factor
        return (
            f"tiles = images.unflatten(3, ({f}, -1)).unflatten(2, ({f}, -1)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)\n"
            'images = torch.nn.functional.interpolate(tiles, size=images.shape[2:], mode="bilinear")\n'
            f"labels = labels.repeat_interleave({f * f}, dim=0)"
        )


FORMS: dict[str, Form] = {Tiles.name: Tiles()}


def form_to_json(form: Form) -> dict[str, Any]:
    """Return ``form`` for a card, such as ``{"name": "tiles", "factor": 2}``."""
    content: dict[str, Any] = to_dict(form)
    return content


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
