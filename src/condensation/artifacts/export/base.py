"""Description of an export format, and the 8-bit images that formats with image files share."""

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

from condensation.artifacts.set_file import SOFT_LABELS, images_card
from condensation.core.errors import CondensationError, MissingExtra
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Zca

PIXEL_IMPORTS = "import torch\nfrom PIL import Image"


@dataclass(frozen=True)
class Export:
    """Export format: how a set is written, and the Python code that reads it."""

    name: str
    write: Callable[[ImageSet, Mapping[str, Any], Path], None]
    contents: str  # sentence on the card about the files
    imports: str  # import lines of the code on the card
    code: Callable[[ImageSet], str]
    """Code that defines ``images`` and ``labels``, run in the folder; for 8-bit images, ``mean`` and ``std`` are defined before it."""
    suffix: str = ""  # suffix of the file, empty for a folder
    exact: bool = False  # True if the files hold the network inputs exactly
    pictures: bool = False  # True if the files hold 8-bit images
    tensor: str = ""  # expression for a tensor of an exact file, with {} for its name
    packages: tuple[str, ...] = ()  # packages of the extra "hub" that the format needs
    front_matter: Callable[[ImageSet, Mapping[str, Any]], str] = lambda images, card: ""  # text above the card

    def check(self, images: ImageSet) -> None:
        """Check that the format can hold ``images``, and that its packages are installed. Raise CondensationError if not."""
        images_card(images)
        for package in self.packages:
            try:
                import_module(package)
            except ImportError:
                raise MissingExtra(f"Writing {self.name}", "hub") from None
        if not self.exact and images.form and not images.form.is_picture:
            reason, hint = "8 bits do not hold coefficients", 'Use decoded=True, to="npz", to="torch" or to="hub".'
            raise CondensationError(f"A set in the form {images.form.name!r} cannot be written as {self.name}: {reason}.", hint=hint)
        hint = 'Use to="npz", to="torch" or to="hub"; `condense show` draws the set.'
        if not self.exact and isinstance(images.preprocessing, Zca):
            reason = "whitening removes the mean and length of each image, so its 8-bit image cannot be whitened again"
            raise CondensationError(f"A set whitened by ZCA cannot be written as {self.name}: {reason}.", hint=hint)
        if not self.exact and images.soft_labels:
            raise CondensationError(f"A set with soft labels cannot be written as {self.name}: it stores one class per image.", hint=hint)


@dataclass(frozen=True)
class Rounding:
    """Absolute change of the pixels by clipping to [0, 1] and rounding to 8 bits, in units of 1/255."""

    clipped: float  # fraction of values outside [0, 1]
    mean: float
    largest: float


def eight_bit(images: ImageSet) -> Tensor:
    """Return the images without preprocessing, clipped and rounded: (n, c, h, w) uint8."""
    if not images.images.is_floating_point():
        return images.images
    return (images.pictures() * 255).round().to(torch.uint8)


def rounding_of(images: ImageSet) -> Rounding:
    """Return the difference of `eight_bit` from ``images``."""
    if not images.images.is_floating_point():
        return Rounding(0.0, 0.0, 0.0)
    exact = images.preprocessing.inverse(images.images)
    # Undoing the normalization of a real image may exceed [0, 1] by a rounding error.
    outside = ((exact < -1e-5) | (exact > 1 + 1e-5)).double().mean()
    change = (exact * 255 - eight_bit(images).float()).abs()
    return Rounding(float(outside), float(change.double().mean()), float(change.max()))


def png_bytes(pixels: Tensor) -> bytes:
    """Return one image (c, h, w) uint8 as a PNG file."""
    array = pixels.numpy().transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def pixels_code(images: ImageSet, file: str) -> str:
    """Return code that defines ``images`` and ``labels`` from ``rows`` of 8-bit images, each in the ``file`` of its row."""
    channels, height, width = images.shape
    return f"""arrays = [np.array(Image.open({file})) for row in rows]
pixels = torch.tensor(np.stack(arrays)).view(-1, {height}, {width}, {channels})
images, labels = (pixels.permute(0, 3, 1, 2) / 255 - mean) / std, torch.tensor([int(row["label"]) for row in rows])"""


def normalization_code(images: ImageSet) -> str:
    """Return code that defines ``mean`` and ``std`` exactly."""
    tensors = preprocessing_constants(images)
    values = {name: ", ".join(map(str, tensors[name].numpy())) for name in ("mean", "std")}
    return "\n".join(f"{name} = torch.tensor([{text}]).view(-1, 1, 1)" for name, text in values.items())


def preprocessing_constants(images: ImageSet) -> dict[str, Tensor]:
    """Return the constants that preprocess test images: ``mean`` and ``std`` (c,), and the matrices of a whitened set."""
    identity = {"mean": torch.zeros(images.shape[0]), "std": torch.ones(images.shape[0])}
    return identity | images.preprocessing.tensors()


def labels_key(images: ImageSet) -> str:
    """Return the name of the labels that networks are trained on."""
    return SOFT_LABELS if images.soft_labels else "labels"
