"""Report of a study: one form for all studies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from PIL import Image

from condensation.report.page.parts import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

Figure = Union["Plot", Image.Image]


@dataclass(frozen=True)
class Block:
    """A further table below that of a report."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[str, ...]  # columns aligned to the left


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """Results of a study, ready to be printed and written."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    blocks: tuple[Block, ...] = ()  # further tables, for example of numbers that share no column with `rows`
    notes: tuple[str, ...]  # lines below the table; a line that begins with spaces belongs to the one above it
    json: dict[str, Any]  # all results, for programs; `Study` adds settings, data and machine
    figures: Mapping[str, Callable[[], Figure]]  # what draws each, by the name of its PNG file
    places: Mapping[str, str]  # files and folders to mention after the table, by label
    missing: str = ""  # number of results that are missing, in words; empty if the study is complete
    text_columns: tuple[str, ...] = ()  # columns aligned to the left; the others hold numbers
    sections: tuple[bool, ...] = ()  # True for each row that is followed by a rule
    screen_columns: int | None = None  # number of columns that fit a terminal; None for all
    markdown_notes: tuple[str, ...] = ()  # further notes of the Markdown file
    screen_notes: tuple[str, ...] = ()  # further lines of the terminal
    names: Mapping[str, str] = field(default_factory=dict)  # proper names of what the rows call by a label
    best: frozenset[tuple[int, int]] = frozenset()  # row and column of the best results
    jobs: int | None = None  # number of jobs of the study; None if unknown
    charts: Callable[[], Sequence[Part]] = tuple  # the figures as parts of a page
    sets: Mapping[str, Sequence[Path]] = field(default_factory=dict)  # sets to show on a page by label, each of one file or several
    name: str = ""  # name of the study, its command and its files
