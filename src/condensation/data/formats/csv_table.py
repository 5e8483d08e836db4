"""A table of paths and labels: CSV with commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.data.cache import cached
from condensation.data.dataset import Format, Found, Parts, ReadOptions, Skipped
from condensation.data.decode.decode import Picture, Unreadable
from condensation.data.decode.list_files import File, listed, shown, stamp
from condensation.data.decode.parallel import Heap, Item, file_item, read_parts
from condensation.data.labels import classes_of, numbered

ENDINGS = (".csv", ".tsv")
DELIMITERS = ",;\t"
PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "id")
LABELS = ("label", "class", "target", "class_name", "category", "y")
SPLITS = ("split", "set", "part", "subset", "fold")
TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation", "dev")  # the first that is there is the test part


@dataclass(frozen=True)
class CsvRow:
    """A line of the table."""

    line: int  # in the file, from 1
    path: str
    label: str
    split: str


@dataclass(frozen=True)
class Columns:
    """Where in a row what is found."""

    path: int
    label: int
    split: int | None


def holds_csv(path: Path) -> bool:
    """Whether ``path`` is a file that is called like a table."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def read_csv(path: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """The images that the table at ``path`` names, relative to its folder, with their labels.

    A column ``split`` says which images are for training and which for the test. Labels that are all whole numbers are
    classes in their order; others are names.

    Raises:
        CondensationError: if a column is missing, a file is missing (naming the line), or the table is empty.
    """
    rows = read_rows(path, how.columns)
    train, test, note = _parts(rows, path)
    names = classes_of([row.label for row in train])
    labels = numbered([row.label for row in train], names, str(path), str(path))
    test_labels = numbered([row.label for row in test], names, f"The test part of {path}", "the training part")
    files = [_listed(row, path, how) for row in (*train, *test)]
    items = [_item(row, file, label, path) for row, file, label in zip((*train, *test), files, labels + test_labels, strict=True)]
    listing = [stamp(path.stat()), *((file.name, *file.stamp) if file else None for file in files)]
    heap, test_heap = Heap(items[: len(train)], len(train), str(path)), Heap(items[len(train) :], len(test), str(path))
    parts = cached(("csv", path), listing, how, lambda: read_parts(heap, test_heap if test else None, names, how, note))
    return parts if parts.found else Parts(parts.train, parts.test, parts.note, Found())


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[CsvRow]:
    """The rows of the table; ``columns`` names that of the paths and that of the labels, where they are not to be guessed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise CondensationError(f"{path} is not a table in UTF-8: {problem.reason} at byte {problem.start}.\nSave it as UTF-8.") from None
    except OSError as problem:
        raise CondensationError(f"{path} cannot be read: {problem.strerror or problem}.") from None
    if not text.strip():
        raise CondensationError(f"{path} is empty.\nIt needs a line of column names, path and label, and a line for each image.")
    delimiter, places = _layout(text, columns, path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = []
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_row(cells, places, reader.line_num, path))
    except csv.Error as problem:
        raise CondensationError(f"{path}, line {reader.line_num}: {problem}.") from None
    if not rows:
        raise CondensationError(f"{path} has column names but no images.\nGive a line for each: its path and its label.")
    return rows


def _layout(text: str, columns: Sequence[str], path: Path) -> tuple[str, Columns]:
    """The delimiter with which the first line has the columns that are needed, and where these are."""
    wanted = [(columns[0].lower(),), (columns[1].lower(),)] if columns else [PATHS, LABELS]
    headers = [next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []) for delimiter in DELIMITERS]
    for delimiter, header in zip(DELIMITERS, headers, strict=True):
        names = [name.strip().lower() for name in header]
        place, label, split = (_first(names, known) for known in (*wanted, SPLITS))
        if place is not None and label is not None and place != label:
            return delimiter, Columns(place, label, split)
    header = max(headers, key=len)
    names = [name.strip().lower() for name in header]
    missing = [kind for kind, known in zip(("path", "label"), wanted, strict=True) if _first(names, known) is None]
    asked = f" called {columns[0]!r} and {columns[1]!r}" if columns else ""
    raise CondensationError(
        f"{path} has no column for {' and '.join(f'the {kind}' for kind in missing)} of an image{asked}; its first line says "
        f"{', '.join(name.strip() for name in header)}.\nCall the columns path and label, or name yours: data.columns=PATH,LABEL."
    )


def _first(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _row(cells: Sequence[str], places: Columns, line: int, path: Path) -> CsvRow:
    if max(places.path, places.label, places.split or 0) >= len(cells):
        raise CondensationError(f"{path}, line {line}: there are only {len(cells)} columns.\nGive a path and a label in each line.")
    row = CsvRow(
        line, cells[places.path].strip(), cells[places.label].strip(), "train" if places.split is None else cells[places.split].strip()
    )
    for what, value in (("path", row.path), ("label", row.label)):
        if not value:
            raise CondensationError(f"{path}, line {line}: there is no {what}.")
    return row


def _parts(rows: Sequence[CsvRow], path: Path) -> tuple[list[CsvRow], list[CsvRow], str]:
    """The training rows, the test rows, and what was decided."""
    for row in rows:
        if row.split.lower() not in TRAIN + TEST:
            raise CondensationError(f"{path}, line {row.line}: the split is {row.split!r}; it can be train, test or val.")
    train = [row for row in rows if row.split.lower() in TRAIN]
    if not train:
        raise CondensationError(f"{path} has no line whose split is train.")
    there = [name for name in TEST if any(row.split.lower() == name for row in rows)]
    test = [row for row in rows if there and row.split.lower() == there[0]]
    note = f"Of {' and '.join(there)}, {there[0]} was used." if len(there) > 1 else ""
    return train, test, note


def _listed(row: CsvRow, table: Path, how: ReadOptions) -> File | None:
    """The file that ``row`` names, or None if it is missing and missing ones are skipped."""
    try:
        return listed(table.parent / row.path, row.path)
    except (OSError, ValueError):  # a null byte in a path is a ValueError
        if how.skip_bad:
            return None
        raise _missing(row, table).error() from None


def _item(row: CsvRow, file: File | None, label: int, table: Path) -> Item:
    name = f"{table}, line {row.line}: {shown(row.path)}"
    if file is None:
        return Item(name, label, partial(_refuse, _missing(row, table).why))
    return file_item(file.path, name, label)


def _missing(row: CsvRow, table: Path) -> Skipped:
    return Skipped(f"{table}, line {row.line}: {shown(row.path)}", f"is not there: {shown(str(table.parent / row.path))} is no file")


def _refuse(why: str, how: ReadOptions) -> Picture:
    raise Unreadable(why)


CSV = Format("a CSV file of paths and labels", holds_csv, read_csv)
