"""What an export is, and the 8-bit view of a set that those with pictures share."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condensation.artifacts.set_file import SOFT, preprocessing_name
from condensation.core.errors import CondensationError, MissingExtra
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Zca


@dataclass(frozen=True)
class Export:
    """A format in which a set is written, and the lines of Python that read it."""

    name: str
    what: str  # is in the folder, in a sentence
    exact: bool  # holds what a network sees, to the last bit
    pictures: bool  # holds pictures, which have 8 bits
    suffix: str  # of the file, where it is one
    imports: str  # of the lines that read it
    lines: Callable[[ImageSet], str]  # make ``dataset`` in the folder; with 8 bits, ``mean`` and ``std`` are there
    tensor: str  # how the lines have a tensor of the file, by its name
    write: Callable[[ImageSet, Mapping[str, Any], Path], None]
    needs: tuple[str, ...] = ()  # packages of the extra ``hub``
    front: Callable[[ImageSet, Mapping[str, Any]], str] = lambda images, card: ""  # what stands above the card

    def check(self, images: ImageSet) -> None:
        """Refuse what would be no use, or could not be written.

        Raises:
            CondensationError: for pictures of a whitened set, from which it cannot be made again, or of one with soft labels,
                for which there is no place, and for a preprocessing of a person's own.
            MissingExtra: if a package is not here.
        """
        preprocessing_name(images.preprocessing)
        for package in self.needs:
            try:
                import_module(package)
            except ImportError:
                raise MissingExtra(f"Writing {self.name}", "hub") from None
        if not self.exact and isinstance(images.preprocessing, Zca):
            raise CondensationError(
                f"A set whitened by ZCA cannot be written as {self.name}: whitening takes each image's own mean and length away,\n"
                "so that its pictures, whitened again, would be other images. Use --to npz, torch or hub; `condense show` draws it."
            )
        if not self.exact and images.soft_labels:
            raise CondensationError(
                f"A set with soft labels cannot be written as {self.name}, which has room for the class of an image alone.\n"
                "Use --to npz, torch or hub; `condense show` draws it."
            )


@dataclass(frozen=True)
class Loss:
    """What rounding the pictures to 8 bits and cutting them to [0, 1] changes."""

    clipped: float  # the part of all values that lay outside, in [0, 1]
    mean: float  # change of a value, in 255ths
    largest: float


def eight_bit(images: ImageSet) -> Tensor:
    """The pictures with 8 bits, (n, c, h, w) uint8: rounded, and cut to what a pixel can be."""
    if not images.images.is_floating_point():
        return images.images
    return (images.pictures() * 255).round().to(torch.uint8)


def loss_of(images: ImageSet) -> Loss:
    """How far `eight_bit` is from ``images``."""
    if not images.images.is_floating_point():
        return Loss(0.0, 0.0, 0.0)
    exact = images.preprocessing.inverse(images.images)
    # A picture that was one when it was normalised may come back a rounding error outside.
    outside = ((exact < -1e-5) | (exact > 1 + 1e-5)).double().mean()
    change = (exact * 255 - eight_bit(images).float()).abs()
    return Loss(float(outside), float(change.double().mean()), float(change.max()))


def png_bytes(pixels: Tensor) -> bytes:
    """One image (c, h, w) uint8 as the content of a PNG file."""
    array = pixels.numpy().transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def normalising(images: ImageSet) -> str:
    """Lines that define ``mean`` and ``std``, to the last bit."""
    values = {
        name: ", ".join(str(value) for value in tensor.numpy()) for name, tensor in constants(images).items() if name in ("mean", "std")
    }
    return "\n".join(f"{name} = torch.tensor([{values[name]}]).view(-1, 1, 1)" for name in ("mean", "std"))


def constants(images: ImageSet) -> dict[str, Tensor]:
    """What test images are preprocessed with: ``mean`` and ``std`` (c,) always, and a whitened set's matrices."""
    identity = {"mean": torch.zeros(images.shape[0]), "std": torch.ones(images.shape[0])}
    return identity | images.preprocessing.tensors()


def labels_key(images: ImageSet) -> str:
    """What a file calls the labels that networks are trained on."""
    return SOFT if images.soft_labels else "labels"
