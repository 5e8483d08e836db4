"""Parts of a page, as plain values; each names the template that draws it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

Row = tuple[str, ...]


class Part:
    """Base class of the parts of a section."""

    template: ClassVar[str]
    """Name of the macro in ``parts.html.j2``."""


@dataclass(frozen=True)
class Notes(Part):
    """Lines of text; one that begins with spaces belongs to the line above it."""

    template: ClassVar[str] = "notes"

    lines: Sequence[str]


@dataclass(frozen=True)
class Facts(Part):
    """Names with their values; empty values are left out."""

    template: ClassVar[str] = "facts"

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code(Part):
    """Code to copy."""

    template: ClassVar[str] = "code"

    text: str
    label: str  # what the code does


@dataclass(frozen=True)
class DataTable(Part):
    """A table that can be sorted by each of its columns."""

    template: ClassVar[str] = "data_table"

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    text_columns: Sequence[str] = ()  # columns aligned to the left; the others hold numbers
    sections: Sequence[bool] = ()  # True for each row that is followed by a rule
    best: Collection[tuple[int, int]] = ()  # row and column of the best results


@dataclass(frozen=True)
class Heatmap(Part):
    """A square matrix of counts: rows are classes of the images, columns are classes that networks named."""

    template: ClassVar[str] = "heatmap"

    caption: str
    names: Sequence[str]
    counts: Sequence[Sequence[float]]

    def level(self, row: int, column: int) -> int:
        """Return the fraction of the row in this column, in tenths rounded up, for its colour."""
        total = sum(self.counts[row])
        return -int(-10 * self.counts[row][column] // total) if total else 0


@dataclass(frozen=True)
class Section:
    """Parts below a heading."""

    title: str
    parts: Sequence[Part]
    folded: bool = False  # True if the reader opens it


@dataclass(frozen=True)
class Article:
    """One run, study or set."""

    title: str
    sections: Sequence[Section]
    problems: Sequence[str] = ()  # what is missing or damaged, a line each


@dataclass(frozen=True)
class Page:
    """A whole page."""

    title: str
    articles: Sequence[Article]
    made_by: str  # program with its version
