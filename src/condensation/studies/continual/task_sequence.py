"""Sequences of learning: the classes of a data set a few at a time, or several data sets one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Identity
from condensation.data.dataset import Data, format_shape


def class_order(count: int, seed: int) -> list[int]:
    """Return the numbers below ``count`` in the order of NumPy's legacy generator, which made the published orders.

    >>> from condensation.studies.continual.task_sequence import class_order
    >>> class_order(100, 0)[:5]
    [26, 86, 2, 55, 75]
    """
    return [int(label) for label in np.random.RandomState(seed).permutation(count)]


class TaskSequence(ABC):
    """Steps and orders, both counted from 0; each step brings new data.

    A memory has the preprocessing and labels of its step. `joined` gives all memories common labels and inputs.
    """

    steps: int
    data: Sequence[Data]  # all data sets

    @abstractmethod
    def settings(self, order: int, step: int) -> dict[str, object]:
        """Return the data settings of the new data of ``step``."""

    @abstractmethod
    def whole(self, step: int) -> Data:
        """Return the data set that contains the new data of ``step`` in every order."""

    def new(self, order: int, step: int) -> Data:
        """Return the new data of ``step``."""
        return self.whole(step)

    @abstractmethod
    def learned(self, order: int, step: int) -> list[str]:
        """Return the names of the classes or the data set that ``step`` brings."""

    @abstractmethod
    def joined(self, order: int, memories: Sequence[ImageSet]) -> ImageSet:
        """Return the memories of the steps so far as one training set, restricted to the classes of each step."""

    @abstractmethod
    def tests(self, order: int, step: int) -> list[tuple[str, ImageSet]]:
        """Return the test sets of all that was learned up to ``step``, with their names."""

    @abstractmethod
    def common(self) -> Data:
        """Return some data with common labels and inputs, to check a network before the work."""


@dataclass(frozen=True, eq=False)
class ClassIncremental(TaskSequence):
    """Each step brings new classes; networks have an output for every class from the first step on."""

    dataset: Data
    content: Mapping[str, object]  # settings of the data
    steps: int

    def __post_init__(self) -> None:
        count = len(self.dataset.train.classes)
        if 2 * self.steps > count:
            problem = f"steps is {self.steps}, but {self.dataset.name} has {count} classes, and each step needs two."
            raise CondensationError(problem, hint=f"Choose at most {count // 2} steps.", setting="steps")

    @property
    def data(self) -> Sequence[Data]:  # type: ignore[override]
        return [self.dataset]

    def labels(self, order: int, step: int) -> list[int]:
        """Return the labels of the classes of ``step``; the first steps have one more where the number does not divide evenly."""
        classes = self.dataset.train.classes
        places = np.array_split(class_order(len(classes), order), self.steps)[step]
        return [classes[place] for place in places]

    def learned(self, order: int, step: int) -> list[str]:
        return [self.dataset.train.class_names[label] for label in self.labels(order, step)]

    def settings(self, order: int, step: int) -> dict[str, object]:
        return {**self.content, "classes": self.learned(order, step)}

    def new(self, order: int, step: int) -> Data:
        return self.dataset.only(self.learned(order, step))

    def whole(self, step: int) -> Data:
        return self.dataset

    def joined(self, order: int, memories: Sequence[ImageSet]) -> ImageSet:
        return reduce(ImageSet.concat, (memory.select(self.labels(order, step)) for step, memory in enumerate(memories)))

    def tests(self, order: int, step: int) -> list[tuple[str, ImageSet]]:
        seen = [label for earlier in range(step + 1) for label in self.labels(order, earlier)]
        return [(self.dataset.name, self.dataset.test.select(seen))]

    def common(self) -> Data:
        return self.dataset


@dataclass(frozen=True, eq=False)
class TaskIncremental(TaskSequence):
    """Each step brings a data set; classes of the same name, such as digits, share an output of the networks.

    Each has its own normalization. If one has colors, networks see three channels. The sequence is the same in every order.
    """

    data: Sequence[Data]
    contents: Sequence[Mapping[str, object]]  # settings of each data set

    def __post_init__(self) -> None:
        first, *others = ((each.name, format_shape(each.train.shape[1:])) for each in self.data)
        for name, size in others:
            if size != first[1]:
                problem = f"Images of {first[0]} are {first[1]}, those of {name} {size}; the networks need one size."
                raise CondensationError(problem, hint="Resize all of them, for example with size=28.", setting="data.size")

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.data)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Class names of all data sets, in their order."""
        return tuple(dict.fromkeys(name for each in self.data for name in each.train.class_names))

    def learned(self, order: int, step: int) -> list[str]:
        return [self.data[step].name]

    def settings(self, order: int, step: int) -> dict[str, object]:
        return dict(self.contents[step])

    def whole(self, step: int) -> Data:
        return self.data[step]

    def joined(self, order: int, memories: Sequence[ImageSet]) -> ImageSet:
        return reduce(ImageSet.concat, map(self._common, memories))

    def tests(self, order: int, step: int) -> list[tuple[str, ImageSet]]:
        return [(each.name, self._common(each.test)) for each in self.data[: step + 1]]

    def common(self) -> Data:
        few = torch.arange(2)
        first = self.data[0]
        return replace(first, train=self._common(first.train.take(few)), test=self._common(first.test.take(few)))

    def _common(self, images: ImageSet) -> ImageSet:
        """Return the inputs of ``images`` with the labels of the sequence. Raise CondensationError for soft labels of other classes."""
        if images.soft_labels and images.class_names != self.class_names:
            problem = "Soft labels refer to the classes of their own data set; this sequence has others."
            hint = "Leave out methods that make soft labels, or use a single data set."
            raise CondensationError(problem, hint=hint, setting="methods")
        inputs = images.inputs()
        places = torch.tensor([self.class_names.index(name) for name in images.class_names], device=images.device)
        channels = max(each.train.shape[0] for each in self.data)
        inputs = inputs.expand(-1, channels, -1, -1) if inputs.shape[1] == 1 else inputs
        flip_invariant = all(each.train.flip_invariant for each in self.data)
        labels, soft = places[images.labels], images.soft_labels
        return ImageSet.of(
            inputs, labels, self.class_names, preprocessing=Identity(), flip_invariant=flip_invariant, soft_labels=soft, form=images.form
        )
