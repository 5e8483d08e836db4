"""Data from objects with a length whose items are pairs of an image and a label."""

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
from condensation.core.preprocessing import Preprocessing
from condensation.core.progress import OnProgress
from condensation.data.assemble import assemble, warned
from condensation.data.dataset import NORMALIZED, PIXEL_RANGE, Data, Fit, RawData, RawSplit, ReadOptions, Size
from condensation.data.decode.decode import DecodedImage, UnreadableImage, decode_image, decode_values
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
    preprocessing: PreprocessingName | Preprocessing = "standardize",
    size: Size | None = None,
    fit: Fit = "crop",
    skip_bad: bool = False,
    columns: Sequence[str] = (),
    drop_empty: bool = False,
    flip_invariant: bool | None = None,
    pixel_range: str | Sequence[float] | None = None,
    max_pixels: int | None = None,
    on_progress: OnProgress | None = None,
) -> Data:
    """Return the data of a PyTorch, torchvision or Hugging Face data set, or of any similar object.

    ``train`` and ``test`` have a length and items ``(image, label)``. Images are Pillow images, arrays (h, w) or (h, w, c), or
    tensors (c, h, w), as integers or floats in [0, 1]; labels are integers from 0, or strings. ``train`` may also be a Hugging Face
    ``Dataset`` or ``DatasetDict`` with the splits ``train`` and ``test`` (or ``validation``). By default a fifth of each class is
    held out as the test split, and ``class_names`` are those of the object (``classes``, a ``ClassLabel``), or numbers.
    See `load` for the other arguments. Raise CondensationError if an item is not an image with a label, or the data are
    inconsistent, and NotEnoughMemory if they do not fit.

    >>> import torch
    >>> from torch.utils.data import TensorDataset
    >>> from condensation import from_dataset
    >>> data = from_dataset(TensorDataset(torch.rand(40, 3, 16, 16), torch.arange(40) % 2), class_names=["cat", "dog"])
    >>> data.train.images.shape, data.test.images.shape
    (torch.Size([32, 3, 16, 16]), torch.Size([8, 3, 16, 16]))
    """
    options = ReadOptions(
        size, fit, skip_bad, columns, drop_empty=drop_empty, pixel_range=pixel_range, max_pixels=max_pixels, on_progress=on_progress
    )
    names = tuple(class_names) if class_names is not None else None
    if is_hugging_face(train):
        raw = read_splits_of(train, test, options, name, names)
    elif isinstance(train, Mapping):
        raise CondensationError("from_dataset got a dictionary.", hint="Pass its splits: from_dataset(splits['train'], splits['test']).")
    else:
        raw = _read(train, test, names, options, name)
    return warned(assemble(name, raw, preprocessing, options, flip_invariant, names))


@dataclass
class _LabelEncoder:
    """Encoder of labels as numbers; strings are numbered in order of appearance until all are known."""

    strings: dict[str, int] = field(default_factory=dict)
    any_integer: bool = False

    def encode(self, label: object, name: str) -> int:
        if isinstance(label, Tensor | np.ndarray | np.generic) and np.prod(np.shape(label)) == 1:
            label = label.item()
        if isinstance(label, str):
            number = self.strings.setdefault(label, len(self.strings))
        elif isinstance(label, Integral) and not isinstance(label, bool):
            self.any_integer, number = True, int(label)
            if (bits := number.bit_length()) > 63:
                raise CondensationError(f"The label of {name} has {bits:,} bits, expected at most 63.")
        else:
            raise CondensationError(f"The label of {name} is {label!r}, expected an integer from 0 or a string.")
        if self.strings and self.any_integer:
            others = "integers" if isinstance(label, str) else "strings"
            raise CondensationError(f"The label of {name} is {label!r}, but others are {others}.", hint="Use one kind of label.")
        return number

    def named(self, split: RawSplit, names: tuple[str, ...] | None) -> RawSplit:
        """Return ``split`` with numbers and names for labels that are strings; ``names`` are the user's."""
        if not self.strings:
            return split
        strings = list(self.strings)
        names = names or infer_class_names([strings[number] for number in torch.unique(split.labels).tolist()])
        indices = torch.tensor(class_indices(strings, names, split.origin, "class_names"))
        return replace(split, labels=indices[split.labels], class_names=names)


def _read(train: LabelledDataset, test: LabelledDataset | None, names: tuple[str, ...] | None, options: ReadOptions, name: str) -> RawData:
    encoder, test_encoder = _LabelEncoder(), _LabelEncoder()
    pending_test = None if test is None else _pending(test, f"{name} (test)", test_encoder)
    raw = read_splits(_pending(train, f"{name} (train)", encoder), pending_test, options)
    if encoder.strings and test_encoder.any_integer:
        raise CondensationError(f"{name} (train) has strings as labels, {name} (test) has integers.", hint="Use one kind of label.")
    return replace(raw, train=encoder.named(raw.train, names), test=raw.test and test_encoder.named(raw.test, names))


def _pending(dataset: LabelledDataset, origin: str, labels: _LabelEncoder) -> PendingImages:
    try:
        count = len(dataset)
    except TypeError:
        message = f"{origin} has no length: it is a {type(dataset).__name__}."
        raise CondensationError(message, hint="Pass an object with __len__ and __getitem__.") from None
    if count == 0:
        raise CondensationError(f"{origin} is empty.")
    return PendingImages(_items(dataset, count, origin, labels), count, origin, _names_of(dataset))


def _items(dataset: LabelledDataset, count: int, origin: str, labels: _LabelEncoder) -> Iterator[PendingImage]:
    """Yield the items from one thread, since not every object can be indexed from several threads."""
    for index in range(count):
        name = f"image {index} of {origin}"
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise CondensationError(f"Item {index} of {origin} is {_type_name(item)}, expected an image and a label.")
        yield PendingImage(name, labels.encode(item[1], name), partial(_decode, item[0]))


def _decode(value: object, options: ReadOptions) -> DecodedImage:
    image = as_image(value)
    if not isinstance(image, np.ndarray):
        return decode_image(image.copy, options)
    try:
        return decode_values(image, options)
    except UnreadableImage as problem:  # floats below 0 seldom come from elsewhere
        normalized = problem.setting == PIXEL_RANGE and bool(image.min() < 0)
        raise UnreadableImage(str(problem), NORMALIZED if normalized else problem.setting) from problem


def as_image(value: object) -> Image.Image | np.ndarray:
    """Return ``value`` as a Pillow image, or as an array if it has not 8 bits. Raise UnreadableImage for other types and shapes."""
    if isinstance(value, Image.Image):
        return value
    if not isinstance(value, Tensor | np.ndarray):
        raise UnreadableImage(f"is {_type_name(value)}, expected a Pillow image, an array or a tensor")
    array = value.detach().cpu().float().numpy() if isinstance(value, Tensor) and value.is_floating_point() else np.asarray(value)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "uif":
        raise UnreadableImage(f"is {array.dtype}, expected integers, or floats from 0 to 1")
    if array.ndim == 3:
        first, last = array.shape[0] in (1, 3), array.shape[2] in (1, 3, 4)
        if first and (isinstance(value, Tensor) or not last):
            array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        message = f"has the shape {tuple(value.shape)}, expected (height, width), with one or three channels last, or first in a tensor"
        raise UnreadableImage(message)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array[..., :3] if array.ndim == 3 else array
    return Image.fromarray(np.ascontiguousarray(array)) if array.dtype == np.uint8 else array


def _names_of(dataset: object) -> tuple[str, ...] | None:
    """Return the ``classes`` of torchvision and similar data sets."""
    names = getattr(dataset, "classes", None)
    return tuple(names) if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else None


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
