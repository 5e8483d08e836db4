"""Published test accuracies with their sources, and the settings of the papers.

The numbers are in ``published.json``; the source tells which of them a later paper quotes, and which are from memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from condensation.core.storage import read_json
from condensation.data.load import catalogue_key

FILE = Path(__file__).with_name("published.json")
UNVERIFIED = "unverified"  # source of numbers that were not looked up


@dataclass(frozen=True)
class Number:
    """A published test accuracy in percent."""

    mean: float
    deviation: float | None
    source: str  # key of `sources`

    def __str__(self) -> str:
        text = f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"
        return text + ("?" if self.source == UNVERIFIED else "")


@dataclass(frozen=True)
class Column:
    """A column of the published tables: its method, and the training of its networks."""

    title: str
    method: Mapping[str, object]  # settings of the method
    augmented: bool  # True if networks were trained with DSA
    epochs: int
    sets: int  # condensed sets, each with its own seed
    networks: int  # networks trained on each set
    note: str = ""  # differences that settings cannot express; empty if there are none
    unknown: Sequence[str] = ()  # settings that are not published; the defaults of this library take their place


@cache
def columns() -> dict[str, Column]:
    """Return the columns by name, in the order of the published tables."""
    content = _content()
    counts = {"sets": content["sets"], "networks": content["networks"]}
    return {name: Column(**column, **counts) for name, column in content["columns"].items()}


def published(source: str, ipc: int) -> dict[str, Number]:
    """Return the published accuracies of a data set, given by name or path, at ``ipc`` images per class, by column."""
    return _numbers(_content()["numbers"], _known(source), ipc)


@dataclass(frozen=True)
class ContinualProtocol:
    """Published protocol of continual learning."""

    orders: int
    networks: int  # networks of each order
    epochs: int


def continual_protocol() -> ContinualProtocol:
    """Return the protocol of the published accuracies of continual learning."""
    return ContinualProtocol(**{key: value for key, value in _content()["continual"].items() if key != "numbers"})


def published_continual(source: str, ipc: int, steps: int) -> dict[str, Number]:
    """Return the published accuracies after the last of ``steps`` steps, with ``ipc`` images per class in memory, by method."""
    return _numbers(_content()["continual"]["numbers"], _known(source), ipc, steps)


def published_whole(source: str) -> Number | None:
    """Return the published accuracy of training on the whole data set."""
    number = _content()["whole"].get(_known(source))
    return Number(*number) if number else None


def published_pools(source: str, ipc: int) -> dict[str, Number]:
    """Return the published accuracies of DM with networks of each bucket of validation accuracy, by bucket."""
    about: Mapping[str, Any] = _content()["pools"].get(_known(source), {})
    means = zip(about["buckets"], about[str(ipc)], strict=True) if str(ipc) in about else ()
    return {bucket: Number(mean, None, about["source"]) for bucket, mean in means}


def sources() -> dict[str, str]:
    """Return the description of each source by its key."""
    return dict(_content()["sources"])


def source_notes(numbers: Iterable[Number | None]) -> list[str]:
    """Return a line for each source of ``numbers``."""
    used = dict.fromkeys(number.source for number in numbers if number)
    return [f"Published{'?' if source == UNVERIFIED else ''}: {sources()[source]}." for source in used]


def note(source: str) -> str:
    """Return a remark on the published numbers of a data set, or an empty string."""
    return str(_content()["notes"].get(_known(source), ""))


def _known(source: str) -> str:
    return catalogue_key(source) or source


def _numbers(content: Any, *keys: object) -> dict[str, Number]:
    for key in keys:
        content = content.get(str(key), {})
    return {name: Number(*number) for name, number in content.items()}


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = read_json(FILE)
    return content
