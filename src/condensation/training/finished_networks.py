"""Results of the networks of an evaluation that are finished, in one file, so that an interrupted evaluation is continued."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condensation.core.errors import CondensationError
from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.storage import write_json


@dataclass(frozen=True)
class GroupResult:
    """Results of networks that were trained together."""

    accuracies: tuple[tuple[tuple[float, ...], ...], ...]
    """Accuracies in [0, 1]: (test sets, networks, classes)."""
    confusions: tuple[tuple[tuple[int, ...], ...], ...]
    """Confusion matrices, summed over the networks: (test sets, classes, predictions)."""
    finite: tuple[bool, ...]
    """True for each network whose weights are finite."""
    seconds: float
    """Time of training and testing."""


@dataclass(frozen=True)
class FinishedRecord:
    """Content of the file."""

    identity: dict[str, Any]
    """Everything that decides the results."""
    groups: dict[str, GroupResult]
    """Results by the number of the set and of the first network: ``0/2``."""


class FinishedNetworks:
    """Finished networks of all sets of one evaluation."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path, self.identity = path, to_dict(identity)
        self.groups: dict[str, GroupResult] = {}
        try:
            record = read_record(path, FinishedRecord) if path.exists() else None
        except CondensationError:  # damaged: the networks are trained again
            record = None
        if record and record.identity == self.identity:
            self.groups = record.groups

    def of_set(self, number: int) -> "FinishedOfSet":
        """Return the finished networks of one set."""
        return FinishedOfSet(self, number)

    def add(self, key: str, result: GroupResult) -> None:
        """Add the result of a group, and write all."""
        self.groups[key] = result
        write_json(self.path, to_dict(FinishedRecord(self.identity, self.groups)))


@dataclass(frozen=True)
class FinishedOfSet:
    """Finished networks of one set."""

    networks: FinishedNetworks
    number: int

    @property
    def seconds(self) -> float:
        """Time of the finished networks."""
        return sum(result.seconds for key, result in self.networks.groups.items() if key.startswith(f"{self.number}/"))

    def get(self, first: int, count: int) -> GroupResult | None:
        """Return the result of ``count`` networks from ``first`` on, if exactly these were trained together."""
        result = self.networks.groups.get(f"{self.number}/{first}")
        return result if result and len(result.finite) == count else None

    def add(self, first: int, result: GroupResult) -> None:
        """Add the result of the networks from ``first`` on."""
        self.networks.add(f"{self.number}/{first}", result)


def count_finished(path: Path) -> int:
    """Return the number of networks in the file at ``path``; 0 if there is none, or it is damaged."""
    try:
        return sum(len(group.finite) for group in read_record(path, FinishedRecord).groups.values()) if path.exists() else 0
    except CondensationError:
        return 0
