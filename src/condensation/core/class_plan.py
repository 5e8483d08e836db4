"""Division of a step into groups of classes, decided from all classes: a process with some of the groups computes the same bits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from torch import Tensor, nn
from typing_extensions import Self

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.rng import ClassDraw


@dataclass(frozen=True)
class ClassPlan:
    """Groups of classes that a method computes one after the other, and the compute settings that were decided for all of them."""

    groups: tuple[tuple[int, ...], ...]
    """Labels of each group, ascending. The bits of a class depend on its group alone."""
    compute: Compute
    """Resolved settings; compilation is decided."""
    costs: tuple[int, ...] = ()
    """Images that each group embeds in a step."""
    multiple: int = 1
    """Batches are padded to a multiple of this number of images, since each size is compiled separately."""
    separable: Mapping[int, int] | None = None
    """Images of each class in a step if the classes of a group meet in batch norms alone, which processes can synchronize."""
    synchronized: bool = False
    """True if all classes of a process are computed at once, in a network whose norms are synchronized between processes."""
    exchanges: int = 0
    """Times in a step that processes collect the synthetic images of all classes."""
    undivided: str = ""
    """With what processes cannot divide the classes, such as "with one generator"; empty if they can."""

    @classmethod
    def of(
        cls, groups: Sequence[tuple[int, ...]], compute: Compute, images: Mapping[int, int], multiple: int = 1, separable: bool = False
    ) -> Self:
        """Return a plan with the costs of its groups, from the ``images`` of each class in a step."""
        costs = tuple(sum(images[label] for label in group) for group in groups)
        return cls(tuple(groups), compute, costs, multiple, dict(images) if separable else None)

    def synchronize(self, network: nn.Module) -> None:
        """Synchronize the norms of ``network`` between processes, in place, if the plan needs it."""
        if self.synchronized:
            from condensation.core.team import synchronize_norms

            synchronize_norms(network)

    def only(self, classes: Collection[int]) -> ClassPlan:
        """Return the plan for ``classes``, which are those of whole groups."""
        kept = [number for number, group in enumerate(self.groups) if group[0] in classes]
        return replace(self, groups=tuple(self.groups[k] for k in kept), costs=tuple(self.costs[k] for k in kept if self.costs))

    def synchronized_between(self, processes: int) -> ClassPlan:
        """Return the plan for several processes: with groups of one class, whose norms are synchronized, if that is the only way."""
        if self.separable is None:
            return self
        if processes > len(self.separable):
            message = f"Batch norm works on {len(self.separable)} classes in at most as many processes, got {processes}."
            raise CondensationError(message, hint="Start fewer processes, or use a network with instance norm.", setting="method")
        groups, costs = tuple((label,) for label in self.separable), tuple(self.separable.values())
        return replace(self, groups=groups, costs=costs, compute=replace(self.compute, compile="never"), synchronized=True)

    def total(self, losses: Tensor) -> Tensor:
        """Return the loss of a step, a scalar, from the ``losses`` of the groups of all processes, float64 (groups, ...)."""
        return losses.sum()

    @property
    def ranges(self) -> list[range]:
        """Range of the positions of each group among the classes of all groups."""
        if self.synchronized:
            return [range(sum(map(len, self.groups)))]
        ends = [0, *accumulate(map(len, self.groups))]
        return [range(*ends[number : number + 2]) for number in range(len(self.groups))]


def group_classes(images: Mapping[int, int], most: int | None) -> tuple[tuple[int, ...], ...]:
    """Divide labels with their number of ``images``, in order, into groups of at most ``most`` images; one group if ``most`` is None.

    A class with more images is a group of its own. Neighbours share a group because small batches are slow.
    """
    groups: list[list[int]] = []
    free = 0
    for label, count in images.items():
        if not groups or (most is not None and count > free):
            groups.append([])
            free = most or 0
        groups[-1].append(label)
        free -= count
    return tuple(map(tuple, groups))


def class_offsets(class_index: Tensor, classes: int) -> list[int]:
    """Return where the images of each of ``classes`` begin among images with ascending ``class_index`` (n,), and at last their number."""
    return [0, *class_index.bincount(minlength=classes).cumsum(0).tolist()]


def draw_of_group(draw: ClassDraw, classes: range, offsets: list[int]) -> ClassDraw:
    """Return the images of ``draw`` of a range of its classes, as a draw of these classes alone; see `class_offsets`."""
    images = slice(offsets[classes.start], offsets[classes.stop])
    return ClassDraw(draw.indices[images], draw.class_index[images] - classes.start, draw.classes[classes.start : classes.stop])
