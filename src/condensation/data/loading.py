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
from condensation.data.dataset import Data, Part, Parts, Reading
from condensation.data.fitting import PreprocessingName
from condensation.data.formats import FORMATS, format_of
from condensation.data.locate import data_folder, find, not_found
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
    how = Reading(size)
    if _is_path(source):
        name, parts = _read_path(Path(source).expanduser(), how)
    else:
        name, parts = _read_named(str(source), folder, how)
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


def _read_named(name: str, folder: str | Path | None, how: Reading) -> tuple[str, Parts]:
    known = known_name(name)
    if known in BUNDLED:
        return known, BUNDLED[known]()
    root = data_folder(folder)
    place = find(name, root) if root else None
    if place is not None:
        return known or name, _read(place, how)
    if Path(name).is_dir():
        return _read_path(Path(name), how)
    raise not_found(name, root)


def _read_path(path: Path, how: Reading) -> tuple[str, Parts]:
    if not path.exists():
        raise CondensationError(f"There is no folder or file {path}.")
    owner = path.resolve()
    name = owner.parent.name if owner.name == "raw" else owner.name
    return known_name(name) or name, _read(path, how)


def _read(path: Path, how: Reading) -> Parts:
    found = format_of(path)
    if found is None:
        raise CondensationError(f"There are no data in {path}.\nIt must hold {', or '.join(one.name for one in FORMATS)}.")
    return found.read(path, how)
