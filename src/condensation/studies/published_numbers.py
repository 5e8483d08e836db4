"""Published test accuracies with their sources, and the settings of the papers.

The numbers are in ``published.json``; the source tells which of them a later paper quotes, and which are from memory. Those of later
methods, `successors`, were measured by other recipes and carry their caveats.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from condensation.core.errors import unknown
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
    unlike: bool = False  # True for a variant of the method, which a picture should not set beside ours
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
class Successor:
    """A later method, and what must be known to compare its published numbers."""

    title: str
    paper: str
    recipe: str  # key of `recipes`
    numbers: Mapping[str, Mapping[str, Sequence[Any]]]  # by data set and images per class
    recipe_on: Mapping[str, str] = field(default_factory=dict)  # other recipes, by data set
    epochs: int | None = None  # of each evaluation network; None if it differs or is not stated
    factor: int = 1  # tiles per side of a stored image; a network sees factor**2 images of each
    soft_labels: bool | None = False  # None if not stated
    selected_on_test: Sequence[str] | None = ()  # chosen by accuracy on test images: "epoch", "checkpoint"; None if not stated
    zca: Sequence[str] = ()  # data sets with ZCA whitening
    note: str = ""

    def number(self, data: str, ipc: int) -> Number | None:
        """Return the published accuracy on a data set, given by name or path."""
        entry = self.numbers.get(_known(data), {}).get(str(ipc))
        return Number(*entry) if entry else None

    def recipe_for(self, data: str) -> str:
        """Return the key in `recipes` of the evaluation on ``data``."""
        return self.recipe_on.get(_known(data), self.recipe)

    def caveats(self, data: str) -> list[str]:
        """Return what sets the numbers on ``data`` apart, in words."""
        selected = " and ".join(self.selected_on_test or ())
        labels = {True: "learned soft labels", None: "possibly soft labels", False: ""}[self.soft_labels]
        lines = (
            f"each stored image holds {self.factor**2} training images" if self.factor > 1 else "",
            labels,
            "ZCA whitening" if _known(data) in self.zca else "",
            f"{self.epochs:,} epochs" if self.epochs else "",
            f"best {selected} chosen on test images" if selected else "",
            "not stated whether test images chose the epoch or the set" if self.selected_on_test is None else "",
            self.note,
        )
        return [line for line in lines if line]


@cache
def successors() -> dict[str, Successor]:
    """Return the successors of DM with published numbers, by name in lower case."""
    return {name: Successor(**content) for name, content in _content()["successors"].items()}


def successor(name: str) -> Successor:
    """Return the successor ``name``, in any case. Raise CondensationError if there is none."""
    if name.lower() not in successors():
        raise unknown("published method", name, successors(), setting="published")
    return successors()[name.lower()]


def recipes() -> dict[str, str]:
    """Return the evaluation recipes of `successors`, in words."""
    return dict(_content()["recipes"])


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


def published_transfer(source: str, ipc: int, method: str, learned: str) -> dict[str, Number]:
    """Return the published accuracies of sets learned on the network ``learned``, by the name of the network that they train."""
    return _numbers(_content()["transfer"], _known(source), ipc, method, learned)


def published_ranks(source: str) -> dict[str, Number]:
    """Return the published rank correlations (Spearman) of an architecture search with those of training on all images, by proxy."""
    return _numbers(_content()["ranks"], _known(source))


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
