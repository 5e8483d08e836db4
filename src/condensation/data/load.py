"""Entry points for data: `load` by name or path, `from_arrays` for arrays in memory."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy.typing as npt
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.preprocessing import Preprocessing
from condensation.core.progress import OnProgress
from condensation.core.text import joined
from condensation.core.trust import as_path_text
from condensation.data.arrays import as_pixels
from condensation.data.assemble import assemble, warned
from condensation.data.catalogue import DATASETS, known_name
from condensation.data.dataset import Data, Fit, RawData, RawSplit, ReadOptions, Size
from condensation.data.fit_preprocessing import PreprocessingName
from condensation.data.folders import data_folder, expanded, is_path, no_path_error
from condensation.data.formats.bundled import BUNDLED
from condensation.data.formats.format import Format
from condensation.data.formats.huggingface import is_hub_name, read_hub
from condensation.data.formats.registry import format_of
from condensation.data.labels import are_strings, encode_labels
from condensation.data.locate import find_dataset, no_format_error, not_found_error, official_paths, warn_of_shadow

logger = logging.getLogger(__name__)


def load(
    source: str | Path,
    *,
    folder: str | Path | None = None,
    preprocessing: PreprocessingName | Preprocessing = "standardize",
    size: Size | None = None,
    fit: Fit = "crop",
    skip_bad: bool = False,
    columns: Sequence[str] = (),
    train: str | None = None,
    test: str | None = None,
    drop_empty: bool = False,
    flip_invariant: bool | None = None,
    pixel_range: str | Sequence[float] | None = None,
    max_pixels: int | None = None,
    fold: int | str | None = None,
    on_progress: OnProgress | None = None,
) -> Data:
    """Return the training and test images of ``source``, stored as uint8 and normalized after sampling.

    Without a test split, a fifth of each class is held out, always the same images. Only ``hf:NAME`` downloads anything;
    ``condense data get NAME`` downloads the known data sets. Raise CondensationError if the data do not exist, or are damaged or
    inconsistent, and NotEnoughMemory if they do not fit.

    Args:
        source: A name (``digits`` and ``fashion-mini`` are bundled; others are looked up in the data folder); ``hf:NAME`` for the
            Hugging Face hub; or a path: the official files of CIFAR, SVHN or Tiny ImageNet, IDX files, npz files, one sub-folder of images
            per class (optionally below ``train`` and ``test``), a CSV file of paths and labels, or a Hugging Face data set.
        folder: Data folder, searched before that of ``condense data get``; by default the variable ``CONDENSATION_DATA``.
        preprocessing: ``standardize`` per channel, ``published`` constants, ``zca`` whitening (colour only), ``centered`` to [-1, 1],
            ``none``, or that of other data or of a condensed set.
        size: Pixels of both sides, or height and width: ``64``, ``(48, 64)`` or ``"48x64"``; by default all images must have one size.
        fit: Treatment of other aspect ratios: ``crop`` keeps the centre, ``pad`` adds black bars.
        skip_bad: Skip images that cannot be read and list them in ``Data.details`` instead of raising an error.
        columns: Names of the image column and the label column of a table.
        train: Name of the training part (a folder, a split, a value of a table's split column); by default a usual name.
        test: Name of the test part, such as ``val``; by default a usual name.
        drop_empty: Leave out classes that have no training image instead of raising an error.
        flip_invariant: True if mirrored images keep their label; by default True except for digits.
        pixel_range: Values of black and white in images of floats or more than 8 bits: ``(0, 4095)``. By default floats are in [0, 1],
            and the largest integer of all images decides: 255, 1023, 4095, 16383 or 65535 is white.
        max_pixels: Largest number of pixels per image file; by default Pillow's limit against decompression bombs.
        fold: Value of a table's column ``fold`` whose rows are the test split.
        on_progress: Called with the number of images read and their total.

    >>> from condensation import load
    >>> data = load("digits")
    >>> data.train.images.shape, data.train.images.dtype, data.train.num_classes
    (torch.Size([1438, 1, 8, 8]), torch.uint8, 10)
    """
    if not isinstance(source, str | Path):
        message = f"load expects a name or a path, got {type(source).__name__}."
        raise CondensationError(message, hint="Use from_arrays for arrays and tensors, and from_dataset for data set objects.")
    options = ReadOptions(size, fit, skip_bad, columns, train, test, drop_empty, pixel_range, max_pixels, fold, on_progress)
    if is_hub_name(source):
        name, raw = read_hub(str(source), options)
    elif is_path(source):
        name, raw = _read_path(expanded(source), options)
    else:
        name, raw = _read_named(as_path_text(str(source)), folder, options)
    return warned(assemble((raw.packed and raw.packed.name) or name, raw, preprocessing, options, flip_invariant))


def locate_files(source: str, folder: str | Path | None) -> tuple[str, Path, Format] | None:
    """Return name, place and format of the files that `load` would read; None if there are none, or they are bundled or of the hub."""
    known = None if is_path(source) else known_name(source)
    if is_hub_name(source) or known in BUNDLED:
        return None
    place = None if is_path(source) else find_dataset(source, folder)
    path = place or expanded(source)
    located = _format_in(path) if path.exists() else None
    if located is None:
        return None
    name, key = _name_of(path)
    return (known or source) if place else (located[1].dataset or key or name), *located


def from_arrays(
    images: npt.ArrayLike | Tensor,
    labels: npt.ArrayLike | Tensor,
    test_images: npt.ArrayLike | Tensor | None = None,
    test_labels: npt.ArrayLike | Tensor | None = None,
    *,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    preprocessing: PreprocessingName | Preprocessing = "standardize",
    size: Size | None = None,
    fit: Fit = "crop",
    drop_empty: bool = False,
    flip_invariant: bool | None = None,
    pixel_range: str | Sequence[float] | None = None,
) -> Data:
    """Return arrays or tensors as data; without a test split, a fifth of each class is held out.

    Images are uint8, or wider integers and floats in [0, 1], stored with 8 bits: (n, h, w), (n, h, w, c) or (n, c, h, w) with one
    or three channels. If both axes could be the channels, tensors have them first and arrays last. Labels are (n,) integers from
    0, one-hot rows, or strings, which then name the classes; ``class_names`` names integers, and may name classes without images, such
    as those of other tasks. ``preprocessing`` may be that of earlier data, so that sets of several tasks can be joined. A ``name`` in
    `DATASETS` adds its class names and published constants. See `load` for the other arguments. Raise CondensationError if types,
    shapes, ranges or counts are wrong.

    >>> import numpy as np
    >>> from condensation import from_arrays
    >>> images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    >>> data = from_arrays(images, ["cat", "dog"] * 20)
    >>> data.train.images.shape, data.test.images.shape, data.train.class_names
    (torch.Size([32, 3, 16, 16]), torch.Size([8, 3, 16, 16]), ('cat', 'dog'))
    """
    if (test_images is None) != (test_labels is None):
        missing = "test_labels" if test_labels is None else "test_images"
        raise CondensationError(f"A test split needs images and labels, but {missing} is None.", hint=f"Pass {missing}, or neither.")
    names = None if class_names is None else tuple(class_names)
    train = RawSplit(as_pixels(images, "train"), *encode_labels(labels, "train", names), "train")
    test = None
    if test_images is not None and test_labels is not None:
        test = RawSplit(as_pixels(test_images, "test"), *encode_labels(test_labels, "test", names, are_strings(labels)), "test")
    options = ReadOptions(size, fit, drop_empty=drop_empty, pixel_range=pixel_range)
    return warned(assemble(name, RawData(train, test), preprocessing, options, flip_invariant, names))


def catalogue_key(source: str | Path) -> str | None:
    """Return the key in `DATASETS` of ``source``, a name or a path, without reading files; None if unknown."""
    if not is_path(source) and (known := known_name(str(source))):
        return known
    path = expanded(source)
    located = _format_in(path) if path.exists() else None
    return (located[1].dataset or _name_of(path)[1]) if located else None


def dataset_title(source: str) -> str:
    """Return the title of the data set ``source``, or ``source`` itself if it is unknown."""
    key = catalogue_key(source)
    return DATASETS[key].title if key else source


def _read_named(name: str, folder: str | Path | None, options: ReadOptions) -> tuple[str, RawData]:
    known = known_name(name)
    if known in BUNDLED:
        _refuse_parts(options, known)
        warn_of_shadow(name, None)
        return known, replace(BUNDLED[known](), format="bundled")
    place = find_dataset(name, folder)
    if place is not None:
        warn_of_shadow(name, place)
        return known or name, _read(place, options)
    path = Path(name)
    # A path named like a known data set may be an interrupted download, which holds no data.
    if path.exists() and (known is None or _format_in(path)):
        return _read_path(path, options)
    raise not_found_error(name, data_folder(folder))


def _read_path(path: Path, options: ReadOptions) -> tuple[str, RawData]:
    if not path.exists():
        raise no_path_error(path)
    if str(path.resolve()) == os.sep:
        raise CondensationError(f"{path} is the root of all files, not a folder of data.", setting="data.source")
    located = _format_in(path)
    name, known = _name_of(path)
    return (located and located[1].dataset) or known or name, _read(path, options)


def _name_of(path: Path) -> tuple[str, str | None]:
    """Return the data set's name, taken from ``path``, and its key in `DATASETS`."""
    owner = path.resolve()
    name = owner.parent.name if owner.name in ("raw", "train.npz") else owner.stem if owner.is_file() else owner.name
    return name, known_name(name)


def _format_in(path: Path) -> tuple[Path, Format] | None:
    """Return path and format of the data at ``path``, or of the official files in a folder named after their data set."""
    known = _name_of(path)[1]
    # Official files first: a folder with an unpacked archive looks like a folder of images.
    places = [*(official_paths(known, path) if known and path.is_dir() else ()), path]
    return next(((place, form) for place in places if (form := format_of(place))), None)


def _read(path: Path, options: ReadOptions) -> RawData:
    located = _format_in(path)
    if located is None:
        raise no_format_error(path)
    place, form = located
    if not form.has_parts:
        _refuse_parts(options, f"{place} ({form.name})")
    raw = replace(form.read(place, options), format=form.name)
    if form.dataset is None:
        return raw
    info, counts = DATASETS[form.dataset], (len(raw.train.images), len(raw.test.images) if raw.test else 0)
    if counts == (info.train, info.test):
        return raw
    title, expected = info.title.partition(";")[0], f"{info.train:,} training and {info.test:,} test images"
    note = f"{title} has {expected}; these files have {counts[0]:,} and {counts[1]:,}."
    logger.warning(note)
    return replace(raw, note=joined(raw.note, note))


def _refuse_parts(options: ReadOptions, origin: str) -> None:
    """Raise CondensationError if the user named parts of data whose parts are fixed."""
    if options.named_parts:
        message = f"The training part and the test part of {origin} are fixed; got {' and '.join(options.named_parts)}."
        setting = "data.test" if options.train is None else "data.train"
        raise CondensationError(message, hint="Leave out data.train and data.test.", setting=setting)
