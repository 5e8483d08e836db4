"""What is learned in which order: the classes of one data set a few at a time, or several data sets one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Identity
from condensation.data.dataset import Data, as_text


def class_order(count: int, seed: int) -> list[int]:
    """The whole numbers below ``count`` in the order that NumPy's legacy generator gives, by which the published orders were made.

    >>> class_order(100, 0)[:5]
    [26, 86, 2, 55, 75]
    """
    return [int(label) for label in np.random.RandomState(seed).permutation(count)]


class Course(ABC):
    """Steps, counted from 0, each of which brings data that are new; orders, counted from 0, in which they may come.

    Memory is made of the new data of a step alone, in their own terms. `joined` brings memories into common terms, in which
    networks are trained and tested.
    """

    unit: ClassVar[str]  # what is counted along the axis of the picture
    steps: int
    data: Sequence[Data]  # all that there is

    @abstractmethod
    def settings(self, order: int, step: int) -> dict[str, object]:
        """The settings of the data that are new at ``step``."""

    @abstractmethod
    def new(self, order: int, step: int) -> Data:
        """The data that are new at ``step``, as those settings give them."""

    @abstractmethod
    def whole(self, step: int) -> Data:
        """The data set that the new data of ``step`` are of, whatever the order."""

    @abstractmethod
    def learned(self, order: int, step: int) -> list[str]:
        """What is learned at ``step``, by name: its length is how far the step goes."""

    @abstractmethod
    def joined(self, order: int, memories: Sequence[ImageSet]) -> ImageSet:
        """The memories of the steps so far as one training set; what a memory holds beyond the classes of its step is left out."""

    @abstractmethod
    def tests(self, order: int, step: int) -> list[tuple[str, ImageSet]]:
        """What networks are tested on after ``step``, with names: all that was learned so far."""

    @abstractmethod
    def common(self) -> Data:
        """Some data in common terms, to find out before the work whether a network fits them."""


@dataclass(frozen=True, eq=False)
class ByClass(Course):
    """Class-incremental: each step brings new classes; networks have an output for every class from the first step on."""

    unit: ClassVar[str] = "classes"
    one: Data
    named: Mapping[str, object]  # settings of the data
    steps: int

    def __post_init__(self) -> None:
        count = len(self.one.train.classes)
        if 2 * self.steps > count:
            raise CondensationError(
                f"{self.steps} steps are too many for the {count} classes of {self.one.name}: each needs two.\n"
                f"Give --steps at most {count // 2}."
            )

    @property
    def data(self) -> Sequence[Data]:  # type: ignore[override]
        return [self.one]

    def labels(self, order: int, step: int) -> list[int]:
        """The classes of ``step``. Where they can't be shared out evenly, the first steps have one more."""
        classes = self.one.train.classes
        places = np.array_split(class_order(len(classes), order), self.steps)[step]
        return [classes[place] for place in places]

    def learned(self, order: int, step: int) -> list[str]:
        return [self.one.train.class_names[label] for label in self.labels(order, step)]

    def settings(self, order: int, step: int) -> dict[str, object]:
        return {**self.named, "classes": self.learned(order, step)}

    def new(self, order: int, step: int) -> Data:
        return self.one.only(self.learned(order, step))

    def whole(self, step: int) -> Data:
        return self.one

    def joined(self, order: int, memories: Sequence[ImageSet]) -> ImageSet:
        return _one_after_the_other([memory.select(self.labels(order, step)) for step, memory in enumerate(memories)])

    def tests(self, order: int, step: int) -> list[tuple[str, ImageSet]]:
        seen = [label for earlier in range(step + 1) for label in self.labels(order, earlier)]
        return [(self.one.name, self.one.test.select(seen))]

    def common(self) -> Data:
        return self.one


@dataclass(frozen=True, eq=False)
class ByTask(Course):
    """Task-incremental: each step brings a data set. Classes of the same name, such as digits, share an output of the networks.

    Each data set is condensed as it is, and normalised by its own training images. Where one has colours, grey images
    become grey images of three channels before networks are trained. The sequence is the same in every order.
    """

    unit: ClassVar[str] = "data sets"
    data: Sequence[Data]
    named: Sequence[Mapping[str, object]]  # settings of each

    def __post_init__(self) -> None:
        first, *others = self.data
        for other in others:
            if other.train.shape[1:] != first.train.shape[1:]:
                sizes = [as_text(one.train.shape[1:]) for one in (first, other)]
                raise CondensationError(
                    f"Images of {first.name} are {sizes[0]}, those of {other.name} {sizes[1]}: one network must see both.\n"
                    "Give all one size, for example --size 28."
                )

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.data)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Of all data sets, as they come."""
        return tuple(dict.fromkeys(name for one in self.data for name in one.train.class_names))

    def learned(self, order: int, step: int) -> list[str]:
        return [self.data[step].name]

    def settings(self, order: int, step: int) -> dict[str, object]:
        return dict(self.named[step])

    def new(self, order: int, step: int) -> Data:
        return self.data[step]

    def whole(self, step: int) -> Data:
        return self.data[step]

    def joined(self, order: int, memories: Sequence[ImageSet]) -> ImageSet:
        return _one_after_the_other([self._in_common(memory) for memory in memories])

    def tests(self, order: int, step: int) -> list[tuple[str, ImageSet]]:
        return [(one.name, self._in_common(one.test)) for one in self.data[: step + 1]]

    def common(self) -> Data:
        few = torch.arange(2)
        first = self.data[0]
        return replace(first, train=self._in_common(first.train.take(few)), test=self._in_common(first.test.take(few)))

    def _in_common(self, images: ImageSet) -> ImageSet:
        """What networks see of ``images``, with the labels of the whole sequence.

        Raises:
            CondensationError: if they have soft labels of other classes than those of the sequence.
        """
        if images.soft_labels and images.class_names != self.class_names:
            raise CondensationError(
                "Soft labels are of the classes of their own data set; this sequence has others.\n"
                "Leave out methods that make soft labels, or give one data set by --data."
            )
        inputs = images.inputs()
        places = torch.tensor([self.class_names.index(name) for name in images.class_names], device=images.device)
        channels = max(one.train.shape[0] for one in self.data)
        inputs = inputs.expand(-1, channels, -1, -1) if inputs.shape[1] == 1 else inputs
        flip_invariant = all(one.train.flip_invariant for one in self.data)
        labels, soft = places[images.labels], images.soft_labels
        return ImageSet.of(inputs, labels, self.class_names, preprocessing=Identity(), flip_invariant=flip_invariant, soft_labels=soft)


def _one_after_the_other(sets: Sequence[ImageSet]) -> ImageSet:
    first, *others = sets
    for other in others:
        first = first.concat(other)
    return first
