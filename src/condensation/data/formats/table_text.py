"""Text of tables: encodings, delimiters, and rows of cells."""

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from condensation.core import memory
from condensation.core.errors import CondensationError
from condensation.core.regular_files import read_regular

DELIMITERS = ",;\t|"
LARGEST = 1_000_000_000  # bytes of a table
ROW_BYTES = 700  # of memory per row while the table is read
ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Table:
    """A table of text: its column names, and its rows with their line numbers in the file, from 1."""

    path: Path
    header: tuple[str, ...]
    rows: list[tuple[int, list[str]]]

    def column(self, index: int) -> list[str]:
        """Return the cells of a column, without surrounding spaces. Raise CondensationError if a row is too short."""
        for line, cells in self.rows:
            if index >= len(cells):
                raise CondensationError(f"{self.path}, line {line} has only {len(cells)} columns.", hint="Add a path and a label.")
        return [cells[index].strip() for _, cells in self.rows]


def read_table(path: Path, fits: Callable[[Sequence[str]], bool]) -> Table:
    """Return the table at ``path``, with the first delimiter for which ``fits`` accepts the column names, or else finds most columns.

    A first line ``sep=;``, which spreadsheets write, chooses the delimiter. Raise CondensationError if the file cannot be read, is not
    UTF-8 or UTF-16, or has no rows.
    """
    text, skipped, delimiters = _read_text(path), 0, DELIMITERS
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) <= len("sep=;"):
        text, skipped, delimiters = rest, 1, first.rstrip("\r\n")[4:5] or DELIMITERS
    if not text.strip():
        raise CondensationError(f"{path} is empty.", hint="Start with a line of column names, path and label; add one line per image.")
    headers = {delimiter: _header(text, delimiter) for delimiter in delimiters}
    delimiter = max(headers, key=lambda name: (fits(headers[name]), len(headers[name])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = []
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num + skipped, cells))
    except csv.Error as problem:
        raise CondensationError(f"{path}, line {reader.line_num + skipped}: {problem}.") from None
    return Table(path, headers[delimiter], rows)


def _header(text: str, delimiter: str) -> tuple[str, ...]:
    """Return the cells of the first line, or none if it is malformed."""
    try:
        return tuple(name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
    except csv.Error:
        return ()


def _read_text(path: Path) -> str:
    try:
        content = read_regular(path, LARGEST)
    except OSError as problem:
        raise CondensationError(f"{path} cannot be read: {problem.strerror or problem}.") from None
    memory.require(ROW_BYTES * max(map(content.count, (b"\n", b"\r"))), f"Reading {path}", "Split the table into smaller ones.")
    encoding = next((name for mark, name in ENCODINGS.items() if content.startswith(mark)), "utf-8")
    hint = 'Save it as UTF-8; spreadsheets call this "CSV UTF-8".'
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        message = f"{path} is not {encoding.removesuffix('-sig').upper()}: {problem.reason} at byte {problem.start}."
        raise CondensationError(message, hint=hint) from None
    if "\0" in text:
        raise CondensationError(f"{path} is not text: it contains null bytes.", hint=hint)
    return text
