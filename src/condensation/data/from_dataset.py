"""Any object with a length whose items are an image and a label, as data."""

from __future__ import annotations

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
from condensation.data.dataset import Data, Fit, Part, Parts, ReadOptions, Size
from condensation.data.decode.decode import Picture, Unreadable, read_picture
from condensation.data.decode.parallel import Heap, Item, read_parts
from condensation.data.fit_preprocessing import PreprocessingName
from condensation.data.formats.huggingface import is_hugging_face, parts_of
from condensation.data.labels import classes_of, numbered


class Labelled(Protocol):
    """What a data set is to PyTorch: items by number, each an image and its label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def from_dataset(
    train: Labelled | Mapping[str, Any],
    test: Labelled | None = None,
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
    """The data in objects of other libraries: of PyTorch and torchvision, of Hugging Face, or one's own.

    Args:
        train: Has a length, and items ``(image, label)`` from 0. An image is a Pillow image, an array (h, w) or (h, w, c), or
            a tensor (c, h, w), of bytes or of floats in [0, 1]; a label is a whole number from 0 or a text. Or a Hugging
            Face ``Dataset``, or a ``DatasetDict``, whose parts ``train`` and ``test`` (or ``validation``) are taken.
        test: Like ``train``; without it, a fifth of each class is set aside.
        class_names: A name for each label; by default what the object says (``classes``, a ``ClassLabel``), or its number.
        name: What the data set is called.
        preprocessing: As for `load`; so are the others.
        size: Without it, images must be alike.
        fit: How images of another shape get that size.
        skip_bad: Leave out images that cannot be read.
        columns: Of a Hugging Face data set: what the column of the images and that of the labels are called.
        flip_invariant: Whether an image and its mirror image mean the same.
        on_progress: Told how many images are read, and how many there are.

    Raises:
        CondensationError: if an item is no image with a label, or the data are inconsistent.
        NotEnoughMemory: if they would not fit.
    """
    how = ReadOptions(size, fit, skip_bad, tuple(columns), on_progress)
    names = tuple(class_names) if class_names is not None else None
    if is_hugging_face(train):
        parts = parts_of(train, test, how, name)
        if names is not None:
            test_part = parts.test and replace(parts.test, class_names=names)
            parts = replace(parts, train=replace(parts.train, class_names=names), test=test_part)
    else:
        if isinstance(train, Mapping):
            raise CondensationError("from_dataset was given a dictionary.\nGive its parts: from_dataset(parts['train'], parts['test']).")
        parts = _read(train, test, names or _own_names(train), how, name)
    return assemble(name, parts, preprocessing, how, flip_invariant)


@dataclass
class _Numbers:
    """Labels as numbers: texts are numbered as they come, until all are known."""

    texts: dict[str, int] = field(default_factory=dict)
    any_whole: bool = False

    def of(self, label: object, name: str) -> int:
        if isinstance(label, Tensor | np.ndarray | np.generic) and np.ndim(label) == 0:
            label = label.item()
        if isinstance(label, str):
            number = self.texts.setdefault(label, len(self.texts))
        elif isinstance(label, Integral) and not isinstance(label, bool):
            self.any_whole, number = True, int(label)
        else:
            raise CondensationError(f"The label of {name} is {label!r}; it must be a whole number from 0, or a text.")
        if self.texts and self.any_whole:
            raise CondensationError(f"The label of {name} is {label!r}, but others are {'numbers' if isinstance(label, str) else 'texts'}.")
        return number


def _read(train: Labelled, test: Labelled | None, names: tuple[str, ...] | None, how: ReadOptions, name: str) -> Parts:
    numbers = _Numbers()
    first = _heap(train, f"{name} (train)", numbers)
    parts = read_parts(first, _heap(test, f"{name} (test)", numbers) if test is not None else None, names, how)
    if not numbers.texts:
        return parts
    texts = list(numbers.texts)
    known = [texts[number] for number in torch.unique(parts.train.labels).tolist()]
    names = names or classes_of(known)
    places = [*map(partial(_place, texts, names, name), range(len(texts)))]
    return Parts(_renumbered(parts.train, places, names), parts.test and _renumbered(parts.test, places, names), parts.note, parts.found)


def _place(texts: Sequence[str], names: tuple[str, ...], name: str, number: int) -> int:
    return numbered([texts[number]], names, f"The data {name}", "its training part or class_names")[0]


def _renumbered(part: Part, places: Sequence[int], names: tuple[str, ...]) -> Part:
    return replace(part, labels=torch.tensor(places)[part.labels], class_names=names)


def _heap(dataset: Labelled, origin: str, numbers: _Numbers) -> Heap:
    try:
        count = len(dataset)
    except TypeError:
        raise CondensationError(
            f"{origin} has no length: it is a {type(dataset).__name__}.\nGive an object with __len__ and __getitem__."
        ) from None
    if count == 0:
        raise CondensationError(f"{origin} is empty.")
    return Heap(_items(dataset, count, origin, numbers), count, origin)


def _items(dataset: Labelled, count: int, origin: str, numbers: _Numbers) -> Iterator[Item]:
    """Items are fetched one after another, since not every object may be asked by several threads."""
    for index in range(count):
        name = f"image {index} of {origin}"
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise CondensationError(f"Item {index} of {origin} is {_kind(item)}; it must be an image and a label.")
        yield Item(name, numbers.of(item[1], name), partial(_picture, item[0]))


def _picture(value: object, how: ReadOptions) -> Picture:
    return read_picture(lambda: as_image(value), how)


def as_image(value: object) -> Image.Image:
    """An image as Pillow holds it, from one of Pillow, an array (h, w[, c]) or a tensor (c, h, w).

    Raises:
        Unreadable: if it is none of these.
    """
    if isinstance(value, Image.Image):
        return value.copy()
    if not isinstance(value, Tensor | np.ndarray):
        raise Unreadable(f"is {_kind(value)}; it must be a Pillow image, an array or a tensor")
    array = value.detach().cpu().float().numpy() if isinstance(value, Tensor) and value.is_floating_point() else np.asarray(value)
    if array.dtype.kind == "f":
        low, high = float(array.min(initial=0)), float(array.max(initial=0))
        if not (low >= 0 and high <= 1):  # so that NaN is refused too
            raise Unreadable(f"holds floats from {low:g} to {high:g}; they must lie in 0 to 1, without normalisation")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype not in (np.uint8, np.uint16):
        raise Unreadable(f"is {array.dtype}; it must be uint8 from 0 to 255, or floats from 0 to 1")
    if array.ndim == 3:
        first, last = array.shape[0] in (1, 3), array.shape[2] in (1, 3, 4)
        if first and (isinstance(value, Tensor) or not last):
            array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise Unreadable(
            f"has the shape {tuple(value.shape)}; it must be (height, width), with one or three channels last, or first in a tensor"
        )
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array))


def _own_names(dataset: object) -> tuple[str, ...] | None:
    """What torchvision's data sets and their like call the classes."""
    names = getattr(dataset, "classes", None)
    return tuple(names) if isinstance(names, list | tuple) and all(isinstance(one, str) for one in names) else None


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
