"""Division of the classes of a run among processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from condensation.core.checkpoint_parts import Rows
from condensation.core.class_plan import ClassPlan
from condensation.core.images import ImageSet
from condensation.core.team import Team, assigned


@dataclass(frozen=True)
class Shares:
    """The classes of each process."""

    team: Team
    plan: ClassPlan
    counts: Mapping[int, int]

    @cached_property
    def groups(self) -> list[list[int]]:
        """Numbers of the groups of each process."""
        return assigned(self.plan.costs, self.team.size)

    def labels(self, rank: int) -> list[int]:
        """Labels of a process, ascending."""
        return [label for number in self.groups[rank] for label in self.plan.groups[number]]

    def rows(self, rank: int) -> dict[int, Rows]:
        """Return the rows of each class of a process, among its own."""
        return _rows({label: self.counts[label] for label in self.labels(rank)})

    def rows_of_all(self, rank: int) -> dict[int, Rows]:
        """Return the rows of each class of a process, among all."""
        everywhere = _rows(self.counts)
        return {label: everywhere[label] for label in self.labels(rank)}

    def gathered(self, part: ImageSet | None, like: ImageSet) -> ImageSet:
        """Return the images of all processes on the CPU; ``like`` has their preprocessing and form."""
        own = part.images if part else None
        shape, kind = json.loads(self.team.texts(json.dumps([list(own.shape[1:]), str(own.dtype)]) if own is not None else "")[0])
        dtype = getattr(torch, kind.removeprefix("torch."))
        images = torch.empty((sum(self.counts.values()), *shape), dtype=dtype)
        for rank in range(self.team.size):
            rows = self.rows_of_all(rank).values()
            count = sum(self.counts[label] for label in self.labels(rank))
            some = self.team.shared(own if rank == self.team.rank else None, rank, (count, *shape), dtype)
            if count:
                images[torch.cat([torch.arange(part.images.start, part.images.stop) for part in rows])] = some
        labels = torch.repeat_interleave(torch.tensor(list(self.counts)), torch.tensor(list(self.counts.values())))
        return replace(like, images=images, labels=labels)

    def gathered_by_class(self, part: Mapping[str, Tensor] | None, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors with a row per class, of all processes, in the order of labels; ``like`` has their names and shapes."""
        places = [[rows.place for rows in self.rows_of_all(rank).values()] for rank in range(self.team.size)]
        whole = {name: torch.empty_like(tensor) for name, tensor in like.items()}
        for name, tensor in whole.items():
            for rank, place in enumerate(places):
                own = part[name].to(tensor) if part is not None and rank == self.team.rank else None
                tensor[place] = self.team.shared(own, rank, (len(place), *tensor.shape[1:]), tensor.dtype)
        return whole


def _rows(counts: Mapping[int, int]) -> dict[int, Rows]:
    """Return the rows of each class, from the number of images of each, in the order of labels."""
    ends = [0, *accumulate(counts.values())]
    return {label: Rows(slice(*ends[place : place + 2]), place) for place, label in enumerate(counts)}
