"""What the papers report, number by number with its source, and how they judged: the one place where this is kept.

The numbers lie beside this file in ``published.json``. Some were read in a later paper that quotes the first, and a few
are from memory; the source says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from condensation.core.storage import read_json
from condensation.data.load import catalogued

FILE = Path(__file__).with_name("published.json")
UNVERIFIED = "unverified"  # the source of numbers that nobody has looked up


@dataclass(frozen=True)
class Number:
    """A published test accuracy in percent."""

    mean: float
    deviation: float | None
    source: str  # a key of `sources`

    def __str__(self) -> str:
        return (f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}") + (
            "?" if self.source == UNVERIFIED else ""
        )


@dataclass(frozen=True)
class Column:
    """A column of the published tables: which method it is of, and how its networks were trained."""

    title: str
    method: Mapping[str, object]  # settings, as for `condense run`
    augmented: bool  # networks were trained with DSA
    epochs: int
    sets: int  # condensed, each with a seed of its own
    networks: int  # trained on each of them
    note: str = ""  # what differs, or is not known, where settings cannot say it; "": they say all
    unknown: Sequence[str] = ()  # settings that are not published, so that ours are by default


@cache
def columns() -> dict[str, Column]:
    """The columns by name, in the order of the published tables."""
    content = _content()
    counts = {"sets": content["sets"], "networks": content["networks"]}
    return {name: Column(**column, **counts) for name, column in content["columns"].items()}


def published(source: str, ipc: int) -> dict[str, Number]:
    """What is published for a data set, by its name or path, at ``ipc`` images per class: column by column."""
    name = catalogued(source) or source
    numbers: Mapping[str, Any] = _content()["numbers"].get(name, {}).get(str(ipc), {})
    return {column: Number(*number) for column, number in numbers.items()}


@dataclass(frozen=True)
class Continual:
    """How continual learning was judged after each step."""

    orders: int
    networks: int  # for each order
    epochs: int


def continual() -> Continual:
    """How the published numbers of continual learning came about."""
    return Continual(**{key: value for key, value in _content()["continual"].items() if key != "numbers"})


def published_continual(source: str, ipc: int, steps: int) -> dict[str, Number]:
    """The published accuracies after the last of ``steps`` steps, with ``ipc`` images of each class in the memory: method by method."""
    name = catalogued(source) or source
    numbers: Mapping[str, Any] = _content()["continual"]["numbers"].get(name, {}).get(str(ipc), {}).get(str(steps), {})
    return {method: Number(*number) for method, number in numbers.items()}


def whole(source: str) -> Number | None:
    """What is published for training on the whole of a data set."""
    number = _content()["whole"].get(catalogued(source) or source)
    return Number(*number) if number else None


def of_pools(source: str, ipc: int) -> dict[str, Number]:
    """What is published for DM on a data set with networks of each bucket of validation accuracy, by the names of the buckets."""
    about: Mapping[str, Any] = _content()["pools"].get(catalogued(source) or source, {})
    if str(ipc) not in about:
        return {}
    return {bucket: Number(mean, None, about["source"]) for bucket, mean in zip(about["buckets"], about[str(ipc)], strict=True)}


def sources() -> dict[str, str]:
    """Where numbers were read: what a source is called, and what it is."""
    return dict(_content()["sources"])


def note(source: str) -> str:
    """What else must be known of the numbers of a data set; "" if nothing."""
    return str(_content()["notes"].get(catalogued(source) or source, ""))


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = read_json(FILE)
    return content
