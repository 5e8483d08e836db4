"""Labelled images, real or synthetic: the type that every method takes and returns."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from condensation.core.errors import CondensationError, kind_of
from condensation.core.preprocessing import Identity, Preprocessing
from condensation.core.rng import ClassDraw, Rng
from condensation.core.soft_labels import SoftLabels, concat_soft_labels

if TYPE_CHECKING:
    from condensation.core.form import Form

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images sorted by class, all on one device. `ImageSet.of` checks and sorts; `select` keeps the label numbers of the whole task.

    >>> import torch
    >>> from condensation import ImageSet
    >>> images = ImageSet.of(torch.rand(4, 3, 32, 32), torch.tensor([1, 0, 1, 0]), ["cat", "dog"])
    >>> images.labels.tolist(), images.shape, images.counts
    ([0, 0, 1, 1], (3, 32, 32), {0: 2, 1: 2})
    """

    images: Tensor
    """Pixels as uint8, or preprocessed inputs of a network as floats, (n, c, h, w); `StoredImages` stay in files."""
    labels: Tensor
    """Class labels, int64 (n,), ascending."""
    class_names: tuple[str, ...]
    """Names of all classes of the task, in the order of the labels."""
    preprocessing: Preprocessing = Identity()
    """Map from pixels in [0, 1] to the inputs of a network."""
    flip_invariant: bool = True
    """True if a mirrored image keeps its class; False for digits, for example."""
    soft_labels: SoftLabels | None = None
    """Learned targets that networks are trained on instead of the labels; None to train on the labels."""
    form: Form | None = None
    """Form that a network sees of each stored image; None if it sees the image itself. `decoded` returns the seen images."""

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
        form: Form | None = None,
    ) -> ImageSet:
        """Check and sort images (n, c, h, w) and labels (n,); sorted ones are not copied. Raise CondensationError if they do not fit."""
        from condensation.core.check_images import check_images

        check_images(images, labels, class_names)
        labels = labels.to(torch.int64)
        low, high = int(labels.min()), int(labels.max())
        names = tuple(map(str, range(high + 1)) if class_names is None else class_names)
        if low < 0 or high >= len(names):
            message = f"Expected labels in 0..{len(names) - 1}, got {low if low < 0 else high}."
            raise CondensationError(message, hint="Pass one class name per label, starting at label 0.")
        soft = soft_labels.validated(len(images), len(names)) if soft_labels else None
        if not bool((labels[1:] >= labels[:-1]).all()):
            order = torch.argsort(labels, stable=True)
            images, labels, soft = images[order], labels[order], soft and soft.take(order)
        stored = cls(images.contiguous(), labels, names, preprocessing, flip_invariant, soft, form)
        if form:
            form.check(stored.shape, preprocessing)
            if not form.is_picture and not images.is_floating_point():
                raise CondensationError(f"Expected floats in the form {form.name!r}, got {images.dtype}.")
        return stored

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"ImageSet({len(self)} images of {'x'.join(map(str, self.images.shape[1:]))}, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        from condensation.core.notebook import image_set_html

        return image_set_html(self)

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
        """Number of classes of the task, with or without images in this set; also the number of outputs of a network."""
        return len(self.class_names)

    @cached_property
    def counts(self) -> dict[int, int]:
        """Number of images of each label that is present, ascending."""
        labels, counts = torch.unique_consecutive(self.labels, return_counts=True)
        return dict(zip(labels.tolist(), counts.tolist(), strict=True))

    @cached_property
    def starts(self) -> dict[int, int]:
        """Index of the first image of each label that is present."""
        ends = np.cumsum(list(self.counts.values()))
        return {label: int(end) - count for end, (label, count) in zip(ends, self.counts.items(), strict=True)}

    @property
    def classes(self) -> tuple[int, ...]:
        """Labels that are present, ascending."""
        return tuple(self.counts)

    @cached_property
    def class_index(self) -> Tensor:
        """Index into `classes` of each image, (n,)."""
        return torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(list(self.counts.values()))).to(self.device)

    def to(self, device: torch.device | str) -> ImageSet:
        parts = {name: getattr(self, name) for name in ("images", "labels", "preprocessing", "soft_labels")}
        moved = replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})
        return moved.remembering(self._fingerprints())

    def select(self, classes: Collection[int]) -> ImageSet:
        """Return the images of ``classes``, with labels and names unchanged. Raise CondensationError if a class has no images."""
        classes = classes.tolist() if isinstance(classes, Tensor | np.ndarray) else classes
        if isinstance(classes, str) or not isinstance(classes, Collection):
            raise CondensationError(f"Expected a list of labels, such as [0, 1], got {classes!r}.")
        if missing := [label for label in classes if not isinstance(label, Hashable) or label not in self.counts]:
            labels = ", ".join(map(str, self.classes))
            raise CondensationError(f"There are no images of class {missing[0]}; the classes with images are {labels}.")
        ranges = [torch.arange(self.starts[label], self.starts[label] + self.counts[label]) for label in sorted(set(classes))]
        chosen = self.take(torch.cat(ranges or [torch.arange(0)]).to(self.device))
        known = self._fingerprints()
        return chosen.remembering({chosen.classes: known[chosen.classes]}) if chosen.classes in known else chosen

    def take(self, indices: Tensor) -> ImageSet:
        """Return the images at ascending ``indices`` (n,)."""
        soft = self.soft_labels and self.soft_labels.take(indices)
        images = self.images.part(indices) if hasattr(self.images, "part") else self.images[indices]  # `StoredImages`
        return replace(self, images=images, labels=self.labels[indices], soft_labels=soft)

    def concat(self, other: ImageSet) -> ImageSet:
        """Return the images of both sets. Raise CondensationError if they differ in shape, pixel type, classes or preprocessing."""
        from condensation.core.check_images import require_same_kind

        require_image_set(other)
        require_same_kind(self, other)
        if self.form != other.form:
            hint = "Decode the set that has a form: images.decoded()."
            raise CondensationError(f"Expected the same form in both sets, got {self.form} and {other.form}.", hint=hint)
        labels, order = torch.cat([self.labels, other.labels]).sort(stable=True)
        soft = concat_soft_labels(self.soft_labels, other.soft_labels)
        images = torch.cat([self.images, other.images])[order].contiguous()
        return replace(self, images=images, labels=labels, soft_labels=soft and soft.take(order))

    @property
    def seen_per_stored(self) -> int:
        """Number of images that a network sees of each stored image."""
        return self.form.count if self.form else 1

    @property
    def seen(self) -> int:
        """Number of images that a network sees."""
        return len(self) * self.seen_per_stored

    def decoded(self) -> ImageSet:
        """Return the images that a network sees, as a set without a form; this set itself if it has none."""
        if self.form is None:
            return self
        soft = self.soft_labels and self.soft_labels.take(torch.arange(len(self), device=self.device).repeat_interleave(self.form.count))
        images, labels = self.form.decode(self.inputs()), self.labels.repeat_interleave(self.form.count)
        return replace(self, images=images, labels=labels, soft_labels=soft, form=None)

    def viewable(self) -> ImageSet:
        """Return this set if its stored images are pictures, else the `decoded` set."""
        return self.decoded() if self.form and not self.form.is_picture else self

    def inputs(self, indices: Tensor | slice = slice(None)) -> Tensor:
        """Return the stored images at ``indices`` as inputs of a network: preprocessed floats (n, c, h, w)."""
        images = self.images[indices]
        return images if images.is_floating_point() else self.preprocessing(images.float() / 255)

    def pictures(self, indices: Tensor | slice = slice(None)) -> Tensor:
        """Return the stored images of a `viewable` set at ``indices`` for viewing: floats (n, c, h, w) in [0, 1]."""
        assert self.viewable() is self, "decode coefficients before viewing"
        images = self.images[indices]
        return self.preprocessing.inverse(images).clamp(0, 1) if images.is_floating_point() else images.float() / 255

    def draw(self, per_class: int | Mapping[int, int], rng: Rng) -> ClassDraw:
        """Draw ``per_class`` random images of each class without replacement, or all images of a class that has fewer.

        The draw of a class depends on its label and ``rng``, not on the other classes.
        """
        if hasattr(self.images, "prefetch") and (following := rng.in_next_step()):
            self.images.prefetch(lambda: self._draw(per_class, following).indices)
        return self._draw(per_class, rng)

    def _draw(self, per_class: int | Mapping[int, int], rng: Rng) -> ClassDraw:
        wanted = {label: per_class[label] if isinstance(per_class, Mapping) else int(per_class) for label in self.classes}
        drawn = [self.starts[label] + rng.child(label).choice(count, min(wanted[label], count)) for label, count in self.counts.items()]
        class_index = np.repeat(np.arange(len(drawn)), list(map(len, drawn)))
        indices = torch.from_numpy(np.concatenate(drawn))
        return ClassDraw(indices.to(self.device), torch.from_numpy(class_index).to(self.device), self.classes)

    def fingerprint(self) -> str:
        """Return a digest of all pixels, labels, names and soft labels. It is computed once, and again after changes in place."""
        known = self._fingerprints()
        if self.classes not in known:
            from condensation.core.fingerprint import content_digest

            soft = self.soft_labels.values if self.soft_labels else None
            known[self.classes] = content_digest(self.class_names, self.images, (self.labels, soft), self.form)
        return known[self.classes]

    def remembering(self, fingerprints: Mapping[tuple[int, ...], str]) -> ImageSet:
        """Return this set with the known fingerprints of its images of some classes, so that no pixel is read for them."""
        (known := replace(self))._fingerprints().update(fingerprints)
        return known

    def _fingerprints(self) -> dict[tuple[int, ...], str]:
        """Return the known fingerprints of the images of some classes; nothing after changes in place."""
        version = self.images._version, self.labels._version
        if self.__dict__.get("_known", (None,))[0] != version:
            self.__dict__["_known"] = (version, {})
        return self.__dict__["_known"][1]  # type: ignore[no-any-return]


def require_image_set(value: Any) -> None:
    """Check that ``value`` is an `ImageSet`. Raise CondensationError for any other type, such as `Data`."""
    if not isinstance(value, ImageSet):
        holds_sets = isinstance(getattr(value, "train", None), ImageSet)
        hint = "Pass its training or test images, such as data.train." if holds_sets else "Make one with ImageSet.of(images, labels)."
        raise CondensationError(f"Expected an ImageSet, got {kind_of(value)}.", hint=hint)
