"""Labelled images, real or synthetic: the one type that every method takes and gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.preprocessing import Identity, Preprocessing
from condensation.core.rng import Rng
from condensation.core.soft_labels import SoftLabels, joined

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True, eq=False)
class ClassDraw:
    """Some images of each class, class by class, as places in an `ImageSet`: nothing is copied."""

    indices: Tensor  # (n,) places in the set
    class_index: Tensor  # (n,) which of `classes` each belongs to, from 0
    classes: tuple[int, ...]  # the labels


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images sorted by class, all on one device.

    Build one with `ImageSet.of`, which checks and sorts. A label keeps its number when classes are selected, so a
    part of a set still speaks of the classes of the whole.
    """

    images: Tensor  # (n, c, h, w): uint8 pixels, or floats that are already what a network sees
    labels: Tensor  # (n,) int64, ascending
    class_names: tuple[str, ...]  # of all classes of the task, in the order of the labels
    preprocessing: Preprocessing = Identity()
    flip_invariant: bool = True  # whether an image and its mirror image mean the same; not so for digits
    soft_labels: SoftLabels | None = None  # what networks are trained to say instead of the label, where that was learned

    @classmethod
    def of(
        cls,
        images: Tensor,
        labels: Tensor,
        class_names: Sequence[str] | None = None,
        *,
        preprocessing: Preprocessing = Identity(),
        flip_invariant: bool = True,
        soft_labels: SoftLabels | None = None,
    ) -> ImageSet:
        """Check and sort ``images`` (n, c, h, w), ``labels`` (n,) and, if there are any, ``soft_labels``.

        Raises:
            CondensationError: if they do not match, a label has no name, or there is nothing at all.
        """
        if images.ndim != 4:
            raise CondensationError(f"Images must be (n, channels, height, width); these are {tuple(images.shape)}.")
        if labels.ndim != 1 or len(labels) != len(images):
            raise CondensationError(
                f"Labels don't match images: {tuple(labels.shape)} labels for {len(images)} images.\nGive one whole number an image."
            )
        if len(images) == 0:
            raise CondensationError("There are no images here.")
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise CondensationError(f"Labels must be whole numbers from 0; these are {labels.dtype}.")
        labels = labels.to(torch.int64)
        names = tuple(class_names) if class_names is not None else tuple(str(c) for c in range(int(labels.max()) + 1))
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(names):
            raise CondensationError(
                f"Labels run from {low} to {high}, but there are {len(names)} classes: they must lie in 0 to {len(names) - 1}."
            )
        order = torch.argsort(labels, stable=True)
        soft = soft_labels.checked(len(images), len(names)).at(order) if soft_labels else None
        return cls(images[order].contiguous(), labels[order], names, preprocessing, flip_invariant, soft)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> Shape:
        """Channels, height and width of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def num_classes(self) -> int:
        """How many outputs a network needs: all classes of the task, present here or not."""
        return len(self.class_names)

    @cached_property
    def counts(self) -> dict[int, int]:
        """How many images there are of each label that is present, in order."""
        labels, counts = torch.unique_consecutive(self.labels, return_counts=True)
        return dict(zip(labels.tolist(), counts.tolist(), strict=True))

    @cached_property
    def starts(self) -> dict[int, int]:
        """Where the images of each label that is present begin."""
        ends = np.cumsum(list(self.counts.values()))
        return {label: int(end) - count for end, (label, count) in zip(ends, self.counts.items(), strict=True)}

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels that are present, ascending."""
        return tuple(self.counts)

    @cached_property
    def class_index(self) -> Tensor:
        """For each image, which of `classes` it belongs to, from 0: (n,)."""
        return torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(list(self.counts.values()))).to(self.device)

    def to(self, device: torch.device | str) -> ImageSet:
        soft = self.soft_labels and self.soft_labels.to(device)
        moved = replace(self, images=self.images.to(device), labels=self.labels.to(device), soft_labels=soft)
        return replace(moved, preprocessing=self.preprocessing.to(device))

    def select(self, classes: Sequence[int]) -> ImageSet:
        """Only the images of ``classes``; labels and names stay what they were."""
        missing = sorted(set(classes) - set(self.classes))
        if missing:
            raise CondensationError(f"There is no image of class {missing[0]}; there are images of {', '.join(map(str, self.classes))}.")
        return self.take(torch.isin(self.labels, torch.tensor(sorted(classes), device=self.device)).nonzero().squeeze(1))

    def take(self, indices: Tensor) -> ImageSet:
        """The images at ascending ``indices`` (n,)."""
        soft = self.soft_labels and self.soft_labels.at(indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices], soft_labels=soft)

    def concat(self, other: ImageSet) -> ImageSet:
        """Both sets as one; they must agree in kind of pixels, shape, classes and preprocessing."""
        if self.shape != other.shape or self.images.dtype != other.images.dtype:
            raise CondensationError(
                f"Sets to be joined must hold like images: {self.shape} {self.images.dtype} and {other.shape} {other.images.dtype}."
            )
        if self.class_names != other.class_names or self.preprocessing != other.preprocessing:
            raise CondensationError("Sets to be joined must have the same classes and the same preprocessing.")
        images, labels = torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels])
        soft = joined(self.soft_labels, other.soft_labels)
        names, preprocessing = self.class_names, self.preprocessing
        return ImageSet.of(images, labels, names, preprocessing=preprocessing, flip_invariant=self.flip_invariant, soft_labels=soft)

    def inputs(self, indices: Tensor | slice = slice(None)) -> Tensor:
        """What a network sees of the images at ``indices``: floats (n, c, h, w), preprocessed."""
        images = self.images[indices]
        return images if images.is_floating_point() else self.preprocessing(images.float() / 255)

    def pictures(self, indices: Tensor | slice = slice(None)) -> Tensor:
        """What a person sees of the images at ``indices``: floats (n, c, h, w) in [0, 1]."""
        images = self.images[indices]
        return self.preprocessing.inverse(images).clamp(0, 1) if images.is_floating_point() else images.float() / 255

    def draw(self, per_class: int | Mapping[int, int], rng: Rng) -> ClassDraw:
        """Different random images of each class; where a class has fewer than ``per_class``, all that it has.

        What is drawn from a class depends on its label and ``rng``, not on which other classes are here.
        """
        wanted = {label: per_class[label] if isinstance(per_class, Mapping) else int(per_class) for label in self.classes}
        places = [self.starts[label] + rng.child(label).choice(count, min(wanted[label], count)) for label, count in self.counts.items()]
        rows = np.repeat(np.arange(len(places)), [len(of_class) for of_class in places])
        indices = torch.from_numpy(np.concatenate(places))
        return ClassDraw(indices.to(self.device), torch.from_numpy(rows).to(self.device), self.classes)

    def fingerprint(self) -> str:
        """A digest of every pixel, label and name, to tell which data something was made from."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((tuple(self.images.shape), str(self.images.dtype), self.class_names)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().numpy().data)
        if self.soft_labels:
            digest.update(self.soft_labels.values.cpu().contiguous().numpy().data)
        return digest.hexdigest()
