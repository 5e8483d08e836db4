"""Data from objects with a length whose items are an image and a label."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.progress import OnProgress
from condensation.data.assemble import assemble
from condensation.data.dataset import Data, Fit, RawData, RawSplit, ReadOptions, Size
from condensation.data.decode.decode import DecodedImage, UnreadableImage, decode_image
from condensation.data.decode.parallel import PendingImage, PendingImages, read_splits
from condensation.data.fit_preprocessing import PreprocessingName
from condensation.data.formats.huggingface import is_hugging_face, read_splits_of
from condensation.data.labels import class_indices, infer_class_names


class LabelledDataset(Protocol):
    """A map-style data set as in PyTorch; each item is an image and its label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def from_dataset(
    train: LabelledDataset | Mapping[str, Any],
    test: LabelledDataset | None = None,
    *,
    class_names: Sequence[str] | None = None,
    name: str = "dataset",
    preprocessing: PreprocessingName = "standardize",
    size: Size | None = None,
    fit: Fit = "crop",
    skip_bad: bool = False,
    columns: Sequence[str] = (),
    flip_invariant: bool | None = None,
    on_progress: OnProgress | None = None,
) -> Data:
    """Return the data of a PyTorch, torchvision or Hugging Face data set, or of any similar object.

    Args:
        train: Has a length and items ``(image, label)`` from 0. Images are Pillow images, arrays (h, w) or (h, w, c), or
            tensors (c, h, w), of uint8 or of floats in [0, 1]; labels are integers from 0, or strings. Or a Hugging Face
            ``Dataset`` or ``DatasetDict``, whose splits ``train`` and ``test`` (or ``validation``) are read.
        test: Like ``train``; by default a fifth of each class is held out.
        class_names: A name per label; by default those of the object (``classes``, a ``ClassLabel``), or the numbers.
        name: Name of the data set.
        preprocessing: See `load`.
        size: See `load`.
        fit: See `load`.
        skip_bad: See `load`.
        columns: Names of the image column and the label column of a Hugging Face data set.
        flip_invariant: See `load`.
        on_progress: Called with the number of images read and their total.

    Raises:
        CondensationError: if an item is not an image with a label, or the data are inconsistent.
        NotEnoughMemory: if they do not fit.
    """
    options = ReadOptions(size, fit, skip_bad, columns, on_progress)
    names = tuple(class_names) if class_names is not None else None
    if is_hugging_face(train):
        raw = read_splits_of(train, test, options, name)
        if names is not None:
            test_split = raw.test and replace(raw.test, class_names=names)
            raw = replace(raw, train=replace(raw.train, class_names=names), test=test_split)
    elif isinstance(train, Mapping):
        raise CondensationError("from_dataset got a dictionary.", hint="Pass its splits: from_dataset(splits['train'], splits['test']).")
    else:
        raw = _read(train, test, names or _names_of(train), options, name)
    return assemble(name, raw, preprocessing, options, flip_invariant)


@dataclass
class _LabelEncoder:
    """Numbers of labels; strings are numbered in order of appearance until all are known."""

    strings: dict[str, int] = field(default_factory=dict)
    any_integer: bool = False

    def encode(self, label: object, name: str) -> int:
        if isinstance(label, Tensor | np.ndarray | np.generic) and np.ndim(label) == 0:
            label = label.item()
        if isinstance(label, str):
            number = self.strings.setdefault(label, len(self.strings))
        elif isinstance(label, Integral) and not isinstance(label, bool):
            self.any_integer, number = True, int(label)
        else:
            raise CondensationError(f"The label of {name} is {label!r}, expected an integer from 0 or a string.")
        if self.strings and self.any_integer:
            others = "integers" if isinstance(label, str) else "strings"
            raise CondensationError(f"The label of {name} is {label!r}, but others are {others}.", hint="Use one kind of label.")
        return number


def _read(train: LabelledDataset, test: LabelledDataset | None, names: tuple[str, ...] | None, options: ReadOptions, name: str) -> RawData:
    labels = _LabelEncoder()
    pending = _pending(train, f"{name} (train)", labels)
    raw = read_splits(pending, _pending(test, f"{name} (test)", labels) if test is not None else None, names, options)
    if not labels.strings:
        return raw
    strings = list(labels.strings)
    names = names or infer_class_names([strings[number] for number in torch.unique(raw.train.labels).tolist()])
    indices = torch.tensor(class_indices(strings, names, f"The data {name}", "its training split or class_names"))
    return replace(raw, train=_with_labels(raw.train, indices, names), test=raw.test and _with_labels(raw.test, indices, names))


def _with_labels(split: RawSplit, indices: Tensor, names: tuple[str, ...]) -> RawSplit:
    return replace(split, labels=indices[split.labels], class_names=names)


def _pending(dataset: LabelledDataset, origin: str, labels: _LabelEncoder) -> PendingImages:
    try:
        count = len(dataset)
    except TypeError:
        raise CondensationError(
            f"{origin} has no length: it is a {type(dataset).__name__}.", hint="Pass an object with __len__ and __getitem__."
        ) from None
    if count == 0:
        raise CondensationError(f"{origin} is empty.")
    return PendingImages(_items(dataset, count, origin, labels), count, origin)


def _items(dataset: LabelledDataset, count: int, origin: str, labels: _LabelEncoder) -> Iterator[PendingImage]:
    """Yield items one by one, since not every object can be indexed from several threads."""
    for index in range(count):
        name = f"image {index} of {origin}"
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise CondensationError(f"Item {index} of {origin} is {_type_name(item)}, expected an image and a label.")
        yield PendingImage(name, labels.encode(item[1], name), partial(_decode, item[0]))


def _decode(value: object, options: ReadOptions) -> DecodedImage:
    return decode_image(lambda: as_image(value), options)


def as_image(value: object) -> Image.Image:
    """Return a Pillow image, an array (h, w[, c]) or a tensor (c, h, w) as a Pillow image.

    Raises:
        UnreadableImage: if ``value`` is none of these.
    """
    if isinstance(value, Image.Image):
        return value.copy()
    if not isinstance(value, Tensor | np.ndarray):
        raise UnreadableImage(f"is {_type_name(value)}, expected a Pillow image, an array or a tensor")
    array = value.detach().cpu().float().numpy() if isinstance(value, Tensor) and value.is_floating_point() else np.asarray(value)
    if array.dtype.kind == "f":
        low, high = float(array.min(initial=0)), float(array.max(initial=0))
        if not (low >= 0 and high <= 1):  # true for NaN as well
            raise UnreadableImage(f"contains floats from {low:g} to {high:g}, expected 0 to 1 without normalization")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype not in (np.uint8, np.uint16):
        raise UnreadableImage(f"is {array.dtype}, expected uint8 from 0 to 255, or floats from 0 to 1")
    if array.ndim == 3:
        first, last = array.shape[0] in (1, 3), array.shape[2] in (1, 3, 4)
        if first and (isinstance(value, Tensor) or not last):
            array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UnreadableImage(
            f"has the shape {tuple(value.shape)}, expected (height, width), with one or three channels last, or first in a tensor"
        )
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array))


def _names_of(dataset: object) -> tuple[str, ...] | None:
    """Return the ``classes`` of torchvision's and similar data sets."""
    names = getattr(dataset, "classes", None)
    return tuple(names) if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else None


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
