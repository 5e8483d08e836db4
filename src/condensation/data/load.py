"""One way in for all data: `load` by name or path, `from_arrays` for what is in memory already."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy.typing as npt
from torch import Tensor

from condensation.core.errors import CondensationError, NoSuchData
from condensation.core.progress import OnProgress
from condensation.data.arrays import as_pixels
from condensation.data.assemble import assemble
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.dataset import Data, Fit, Format, Part, Parts, ReadOptions, Size
from condensation.data.fit_preprocessing import PreprocessingName
from condensation.data.formats.bundled import BUNDLED
from condensation.data.formats.huggingface import is_hub_name, read_hub
from condensation.data.formats.registry import FORMATS, format_of
from condensation.data.labels import as_numbers
from condensation.data.locate import data_folder, find_anywhere, not_found, official

logger = logging.getLogger(__name__)


def load(
    source: str | Path,
    *,
    folder: str | Path | None = None,
    preprocessing: PreprocessingName = "standardize",
    size: Size | None = None,
    fit: Fit = "crop",
    skip_bad: bool = False,
    columns: Sequence[str] = (),
    flip_invariant: bool | None = None,
    on_progress: OnProgress | None = None,
) -> Data:
    """The training and the test part of ``source``: uint8 in memory, normalised after sampling.

    Args:
        source: A name (``digits`` and ``fashion-mini`` are embedded; others are looked for in the data folder), or the
            path of an archive or a folder of CIFAR, SVHN or Tiny ImageNet as their authors give them out, of a folder
            with ``train.npz`` and ``test.npz``, or of one npz file; of a folder with IDX files, or with one sub-folder of
            images a class, perhaps below ``train`` and ``test`` (or ``val``); of a CSV file of paths and labels; of a
            folder with a Hugging Face data set; or ``hf:NAME`` for one from the hub. Where there is no test part, a fifth
            of each class is set aside as one, always the same. But for ``hf:`` nothing is ever downloaded: ``condense data
            get NAME`` does that.
        folder: The data folder; by default what the environment variable ``CONDENSATION_DATA`` names. After it, the
            folder is looked in into which ``condense data get`` puts what it gets.
        preprocessing: ``standardize`` by each channel's mean and deviation; ``published`` constants, where there are any;
            ``zca`` whitening for colour (grey images are standardised); or ``none``. Fitted on the training part.
        size: Pixels of both sides, or height and width: ``64``, ``(48, 64)`` or ``"48x64"``; without it, images must be alike.
        fit: How an image of another shape gets that size: ``crop`` keeps its centre, ``pad`` all of it, between black bars.
        skip_bad: Leave out images that cannot be read, and list them in the data's ``details``, rather than stop.
        columns: Of a table: what the column of the images and that of the labels are called.
        flip_invariant: Whether an image and its mirror image mean the same; by default yes, but for digits.
        on_progress: Told how many images are read and how many there are, where they are read one by one.

    Raises:
        CondensationError: if there is no such data, or it is damaged or inconsistent.
        NotEnoughMemory: if it would not fit.
    """
    how = ReadOptions(size, fit, skip_bad, tuple(columns), on_progress)
    if is_hub_name(source):
        name, parts = read_hub(str(source), how)
    elif _is_path(source):
        name, parts = _read_path(Path(source).expanduser(), how)
    else:
        name, parts = _read_named(str(source), folder, how)
    return assemble(name, parts, preprocessing, how, flip_invariant)


def from_arrays(
    images: npt.ArrayLike | Tensor,
    labels: npt.ArrayLike | Tensor,
    test_images: npt.ArrayLike | Tensor | None = None,
    test_labels: npt.ArrayLike | Tensor | None = None,
    *,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    preprocessing: PreprocessingName = "standardize",
    size: Size | None = None,
    fit: Fit = "crop",
    flip_invariant: bool | None = None,
) -> Data:
    """Numpy arrays or tensors as data; without a test part, a fifth of each class is set aside as one.

    Args:
        images: uint8, or floats in [0, 1], which are stored with 8 bits: (n, h, w), (n, h, w, c) or (n, c, h, w) with one
            or three channels. Where both ends could be the channels, a tensor has them first and an array last.
        labels: (n,) whole numbers from 0, or texts, which then name the classes.
        test_images: Like ``images``.
        test_labels: Like ``labels``.
        class_names: A name for each label; by default its number.
        name: What the data set is called; one from `DATASETS` brings its class names and published constants.
        preprocessing: As for `load`.
        size: As for `load`.
        fit: As for `load`.
        flip_invariant: As for `load`.
    """
    if (test_images is None) != (test_labels is None):
        raise CondensationError("A test part needs both images and labels; only one of them was given.")
    names = None if class_names is None else tuple(class_names)
    train_numbers, test_numbers, names = as_numbers(labels, test_labels, names)
    train = Part(as_pixels(images, "train"), train_numbers, names, "train")
    test = None
    if test_images is not None and test_numbers is not None:
        test = Part(as_pixels(test_images, "test"), test_numbers, names, "test")
    return assemble(name, Parts(train, test), preprocessing, ReadOptions(size, fit), flip_invariant)


def _is_path(source: str | Path) -> bool:
    return isinstance(source, Path) or "/" in source or os.sep in source or source.startswith((".", "~"))


def catalogued(source: str | Path) -> str | None:
    """The key of `DATASETS` that ``source``, a name or a path, is sure to be of; a quick look, nothing is read."""
    if not _is_path(source) and (known := known_name(str(source))):
        return known
    path = Path(source).expanduser()
    found = _format_in(path) if path.exists() else None
    return (found[1].dataset or _name_of(path)[1]) if found else None


def titled(source: str) -> str:
    """What people call the data set ``source``; one that is not known is called as it was given."""
    name = catalogued(source)
    return DATASETS[name].title if name else source


def _read_named(name: str, folder: str | Path | None, how: ReadOptions) -> tuple[str, Parts]:
    known = known_name(name)
    if known in BUNDLED:
        return known, replace(BUNDLED[known](), format="embedded")
    place = find_anywhere(name, folder)
    if place is not None:
        return known or name, _read(place, how)
    path = Path(name)
    # What is called like a known data set and holds none of it, such as a download that was broken off, is passed over.
    if path.exists() and (known is None or _format_in(path)):
        return _read_path(path, how)
    raise not_found(name, data_folder(folder))


def _read_path(path: Path, how: ReadOptions) -> tuple[str, Parts]:
    if not path.exists():
        raise NoSuchData(f"There is no folder or file {path}.")
    found = _format_in(path)
    name, known = _name_of(path)
    return (found and found[1].dataset) or known or name, _read(path, how)


def _name_of(path: Path) -> tuple[str, str | None]:
    """What the data at ``path`` are called after their folder, and which data set of the catalogue that means."""
    owner = path.resolve()
    name = owner.parent.name if owner.name in ("raw", "train.npz") else owner.stem if owner.is_file() else owner.name
    return name, known_name(name)


def _format_in(path: Path) -> tuple[Path, Format] | None:
    """The format of ``path``, or of the official files in it if it is called after their data set; and where they are."""
    known = _name_of(path)[1]
    # Those first: a folder with an unpacked archive in it looks like a folder of images.
    places = [*(official(known, path) if known and path.is_dir() else ()), path]
    return next(((place, found) for place in places if (found := format_of(place))), None)


def _read(path: Path, how: ReadOptions) -> Parts:
    found = _format_in(path)
    if found is None:
        raise CondensationError(f"There are no data in {path}.\nIt must be, or hold: {'; or '.join(one.name for one in FORMATS)}.")
    place, form = found
    parts = replace(form.read(place, how), format=form.name)
    return parts if form.dataset is None else _noted(parts, form.dataset)


def _noted(parts: Parts, dataset: str) -> Parts:
    """``parts`` of official files with a note where they are fewer or more images than their data set has."""
    info = DATASETS[dataset]
    counts = len(parts.train.images), len(parts.test.images) if parts.test else 0
    if counts == (info.train, info.test):
        return parts
    note = f"{info.title} has {info.train:,} training and {info.test:,} test images; here are {counts[0]:,} and {counts[1]:,}."
    logger.warning(note)
    return replace(parts, note=" ".join(filter(None, (parts.note, note))))
