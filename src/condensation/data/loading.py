"""One way in for all data: `load` by name or path, `from_arrays` for what is in memory already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt
from torch import Tensor

from condensation.data.assemble import assemble
from condensation.data.bundled import BUNDLED
from condensation.data.catalogue import known_name
from condensation.data.dataset import Data, Part, Parts
from condensation.data.fitting import PreprocessingName
from condensation.data.locate import data_folder, find, not_found, reader
from condensation.data.pixels import as_labels, as_pixels
from condensation.errors import CondensationError


def load(
    source: str | Path,
    *,
    folder: str | Path | None = None,
    preprocessing: PreprocessingName = "standardize",
    size: int | None = None,
    mirrored: bool | None = None,
) -> Data:
    """The training and the test part of ``source``: uint8 in memory, normalised after sampling.

    Args:
        source: A name (``digits`` and ``fashion-mini`` are embedded; others are looked for in the data folder), or the
            path of a folder with ``train.npz`` and ``test.npz``, with IDX files, or with one sub-folder of images a
            class, perhaps below ``train`` and ``test`` (or ``val``). Where there is no test part, a fifth of each class
            is set aside as one, always the same.
        folder: The data folder; by default what the environment variable ``CONDENSATION_DATA`` names.
        preprocessing: ``standardize`` by each channel's mean and deviation; ``published`` constants, where there are any;
            ``zca`` whitening for colour (grey images are standardised); or ``none``. Fitted on the training part.
        size: Scale the shorter side to this many pixels and keep the centre.
        mirrored: Whether an image and its mirror image mean the same; by default yes, but for digits.

    Raises:
        CondensationError: if there is no such data, or it is damaged or inconsistent.
        NotEnoughMemory: if it would not fit.
    """
    if _is_path(source):
        name, parts = _read_folder(Path(source).expanduser(), size)
    else:
        name, parts = _read_named(str(source), folder, size)
    return assemble(name, parts, preprocessing, size, mirrored)


def from_arrays(
    images: npt.ArrayLike | Tensor,
    labels: npt.ArrayLike | Tensor,
    test_images: npt.ArrayLike | Tensor | None = None,
    test_labels: npt.ArrayLike | Tensor | None = None,
    *,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    preprocessing: PreprocessingName = "standardize",
    size: int | None = None,
    mirrored: bool | None = None,
) -> Data:
    """Numpy arrays or tensors as data; without a test part, a fifth of each class is set aside as one.

    Args:
        images: uint8, or floats in [0, 1], which are stored with 8 bits: (n, h, w), (n, h, w, c) or (n, c, h, w) with one
            or three channels. Where both ends could be the channels, a tensor has them first and an array last.
        labels: (n,) whole numbers from 0.
        test_images: Like ``images``.
        test_labels: Like ``labels``.
        class_names: A name for each label; by default its number.
        name: What the data set is called; one from `DATASETS` brings its class names and published constants.
        preprocessing: As for `load`.
        size: As for `load`.
        mirrored: As for `load`.
    """
    if (test_images is None) != (test_labels is None):
        raise CondensationError("A test part needs both images and labels; only one of them was given.")
    names = None if class_names is None else tuple(class_names)
    train = Part(as_pixels(images, "train"), as_labels(labels, "train"), names, "train")
    test = None
    if test_images is not None and test_labels is not None:
        test = Part(as_pixels(test_images, "test"), as_labels(test_labels, "test"), names, "test")
    return assemble(name, Parts(train, test), preprocessing, size, mirrored)


def _is_path(source: str | Path) -> bool:
    return isinstance(source, Path) or "/" in source or os.sep in source or source.startswith((".", "~"))


def _read_named(name: str, folder: str | Path | None, size: int | None) -> tuple[str, Parts]:
    known = known_name(name)
    if known in BUNDLED:
        return known, BUNDLED[known]()
    root = data_folder(folder)
    place = find(name, root) if root else None
    if place is not None:
        read = reader(place)
        assert read is not None
        return known or name, read(place, size)
    if Path(name).is_dir():
        return _read_folder(Path(name), size)
    raise not_found(name, root)


def _read_folder(path: Path, size: int | None) -> tuple[str, Parts]:
    if path.is_file():
        raise CondensationError(f"{path} is a file; give the folder that holds it.")
    if not path.is_dir():
        raise CondensationError(f"There is no folder {path}.")
    read = reader(path)
    if read is None:
        raise CondensationError(
            f"There are no data in {path}.\nIt must hold train.npz and test.npz, or IDX files, or a sub-folder of images for each class."
        )
    owner = path.resolve()
    name = owner.parent.name if owner.name == "raw" else owner.name
    return known_name(name) or name, read(path, size)
