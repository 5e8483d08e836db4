"""CSV tables of paths and labels, or of paths and one column of 0 and 1 per class."""

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.core.text import joined, listed
from condensation.data.cache import read_cached
from condensation.data.dataset import FileSummary, RawData, ReadOptions, SkippedImage
from condensation.data.decode.list_files import FileFinder, ListedFile, file_stamp, printable
from condensation.data.decode.parallel import PendingData, PendingImages, file_image, read_splits
from condensation.data.formats.format import Format
from condensation.data.formats.table_text import Table, read_table
from condensation.data.labels import class_indices, infer_class_names
from condensation.data.parts import TEST_NAMES, part_kind, require_parts

SUFFIXES = (".csv", ".tsv")
PATHS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_name", "image_file", "img"),
    *("img_path", "img_name", "image_id", "img_id", "id"),
)
LABELS = ("label", "labels", "class", "target", "class_name", "category", "class_id", "y", "dx", "diagnosis", "species", "breed")
SPLITS = ("split", "set", "part", "subset", "fold", "folds", "kfold")
NAMING = "data.columns=PATH,LABEL (in Python: columns=('PATH', 'LABEL'))"


@dataclass(frozen=True)
class TableRow:
    """A row of the table."""

    line: int  # line number in the file, from 1
    path: str
    label: str
    split: str


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, the class names if its columns name them, and a note for the user."""

    rows: list[TableRow]
    class_names: tuple[str, ...] | None
    note: str


def is_table(path: Path) -> bool:
    """Return whether ``path`` is a table, from its name alone."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_csv(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the images of the table at ``path``, which may have a column ``split``; paths are relative to the folder of the table."""
    found = pending_csv(path, options)
    raw = read_cached(("csv", path), found.listing, options, lambda: read_splits(found.train, found.test, options), found)
    return replace(raw, note=joined(found.note, raw.note), files=raw.files or FileSummary())


def pending_csv(path: Path, options: ReadOptions) -> PendingData:
    """Return the images that `read_csv` reads."""
    table = read_rows(path, options)
    train, test, note = _split_rows(table.rows, path, options)
    finder = FileFinder(path.parent)
    files = [_file_of(row, path, finder, options) for row in (*train, *test)]
    listing = [file_stamp(path.stat()), *((file.name, *file.stamp) if file else None for file in files)]
    first = _pending(train, files[: len(train)], table, path, str(path))
    second = _pending(test, files[len(train) :], table, path, f"The test split of {path}") if test else None
    note = joined(table.note, note, _similar_names(first.class_names or ()))
    return PendingData(first, second, note, {}, listing)


def _pending(rows: Sequence[TableRow], files: Sequence[ListedFile | None], table: TableRows, path: Path, origin: str) -> PendingImages:
    names = table.class_names or infer_class_names([row.label for row in rows])
    labels = class_indices([row.label for row in rows], names, origin, origin)
    # A missing file fails to decode later and is then listed as skipped.
    items = [
        file_image(file.path if file else str(path.parent / row.path), _name_of(row, path), label)
        for row, file, label in zip(rows, files, labels, strict=True)
    ]
    return PendingImages(items, len(items), origin, names, labels)


def read_rows(path: Path, options: ReadOptions = ReadOptions()) -> TableRows:
    """Return the rows of the table at ``path``. ``options.columns`` names the columns of paths and labels, or one per class."""
    wanted = [name.lower() for name in options.columns]
    paths = (wanted[0],) if wanted else PATHS
    table = read_table(path, lambda header: len(header) > 1 and _first_index(header, paths) is not None)
    labels: tuple[Sequence[str], ...] = tuple((name,) for name in wanted[1:]) if wanted else (LABELS,)
    image, *classes = (_first_index(table.header, known) for known in (paths, *labels))
    if image is None or None in classes:
        classes = [] if image is None or wanted else _class_columns(table, image)
        if image is None or len(classes) < 2:
            raise _missing_columns(table, (paths, *labels), wanted)
    if not table.rows:
        raise CondensationError(f"{path} has column names but no images.", hint="Add one line per image: its path and its label.")
    indices = [index for index in classes if index is not None]
    names = tuple(table.header[index] for index in indices) if len(indices) > 1 else None
    cells = _one_hot_labels(table, indices) if names else table.column(indices[0])
    parts, note = _parts(table, options)
    rows = [
        TableRow(line, text, label, part)
        for (line, _), text, label, part in zip(table.rows, table.column(image), cells, parts, strict=True)
    ]
    _check_rows(rows, path)
    return TableRows(rows, names, note)


def _first_index(header: Sequence[str], known: Sequence[str]) -> int | None:
    names = [name.lower() for name in header]
    return next((names.index(name) for name in known if name in names), None)


def _missing_columns(table: Table, known: Sequence[Sequence[str]], wanted: Sequence[str]) -> CondensationError:
    missing = [kind for kind, names in zip(("path", "label"), known, strict=False) if _first_index(table.header, names) is None]
    asked = f" named {' and '.join(map(repr, wanted))}" if wanted else ""
    present = ", ".join(table.header)
    message = f"{table.path} has no {' and no '.join(missing) or 'class'} column{asked}; its columns are {present}."
    hint = f"Name the columns path and label in the first line, or set {NAMING}."
    return CondensationError(message, hint=hint, setting="data.columns")


def _class_columns(table: Table, image: int) -> list[int | None]:
    """Return the columns of 0 and 1, which stand for classes if there is no label column."""
    others = (index for index, name in enumerate(table.header) if index != image and name.lower() not in SPLITS)
    return [index for index in others if table.rows and all(_bit(cell) is not None for cell in table.column(index))]


def _bit(cell: str) -> bool | None:
    with suppress(ValueError):
        return {0.0: False, 1.0: True}.get(float(cell))
    return None


def _one_hot_labels(table: Table, classes: Sequence[int]) -> list[str]:
    """Return the name of the only column of ``classes`` with 1 in each row."""
    labels = []
    for (line, _), *cells in zip(table.rows, *(table.column(index) for index in classes), strict=True):
        bits = [_bit(cell) for cell in cells]
        chosen = [table.header[index] for index, bit in zip(classes, bits, strict=True) if bit]
        if len(chosen) != 1 or None in bits:
            problem = "no class" if None not in bits else "a value that is no 0 or 1"
            problem = f"the classes {' and '.join(chosen)}" if len(chosen) > 1 else problem
            columns = listed([table.header[index] for index in classes])
            message = f"{table.path}, line {line} has {problem}; expected 1 in one of the columns {columns}."
            hint = "Correct the line, or name the path column and all class columns: data.columns=PATH,CLASS,CLASS."
            raise CondensationError(message, hint=hint, setting="data.columns")
        labels += chosen
    return labels


def _parts(table: Table, options: ReadOptions) -> tuple[list[str], str]:
    """Return the part of each row, and a note if a column was ignored."""
    columns = {name: table.column(index) for index, name in enumerate(table.header) if name.lower() in SPLITS}
    if options.fold is not None:
        fold = str(options.fold)
        cells = next((cells for cells in columns.values() if fold in cells), None)
        if cells is None:
            values = "; ".join(f"{name!r} has {listed(sorted(set(cells)))}" for name, cells in columns.items())
            message = f"{table.path} has no column with the fold {fold}: {values or 'there is no column fold'}."
            raise CondensationError(message, hint="Set a value of that column, such as fold=0.", setting="data.fold")
        return ["test" if cell == fold else "train" for cell in cells], f"The fold {fold} is the test split."
    named = {name.lower() for name in (options.train, options.test) if name is not None}
    cells = next((cells for cells in columns.values() if any(part_kind(cell) or cell.lower() in named for cell in set(cells))), None)
    if cells is not None:
        return cells, ""
    notes = [
        f"The column {name!r} was ignored: it has {listed(sorted(set(cells)))} instead of train and test. "
        f"data.fold={sorted(set(cells))[0] or 'VALUE'} makes the rows with that value the test split."
        for name, cells in columns.items()
    ]
    return ["train"] * len(table.rows), " ".join(notes)


def _check_rows(rows: Sequence[TableRow], path: Path) -> None:
    """Raise CondensationError if a path or label is empty, or a path has two labels; test parts may have no labels."""
    seen: dict[str, TableRow] = {}
    for row in rows:
        for kind, value in (("path", row.path), ("label", row.label)):
            if not value and (kind == "path" or part_kind(row.split) not in TEST_NAMES):
                raise CondensationError(f"{path}, line {row.line}: the {kind} is empty.")
        first = seen.setdefault(os.path.normpath(row.path.replace("\\", "/")), row)
        if first.label != row.label:
            labels = f"the label {row.label!r}, but {first.label!r} in line {first.line}"
            raise CondensationError(f"{_name_of(row, path)} has {labels}.", hint="Keep one line per image.")


def _similar_names(names: Sequence[str]) -> str:
    """Return a note about class names that differ only in case or spaces."""
    spellings = defaultdict(list)
    for name in names:
        spellings["".join(name.casefold().split())].append(repr(name))
    return " ".join(f"The classes {' and '.join(group)} differ only in case or spaces." for group in spellings.values() if len(group) > 1)


def _split_rows(rows: Sequence[TableRow], path: Path, options: ReadOptions) -> tuple[list[TableRow], list[TableRow], str]:
    """Return the training rows, the test rows, and a note if there are several test splits."""
    if options.train is None and options.test is None and (other := next((row for row in rows if not part_kind(row.split)), None)):
        message = f"{path}, line {other.line}: the split is {other.split!r}, expected train, test or val."
        raise CondensationError(message, hint="Name the parts: data.train=NAME data.test=NAME.", setting="data.train")
    parts = require_parts((row.split.lower() for row in rows), options, str(path))
    of_part = {name: [row for row in rows if row.split.lower() == name] for name in (parts.train, *parts.tests)}
    test, note = parts.choose_test([name for name in parts.tests if not any(row.label for row in of_part[name])])
    second = of_part[test] if test else []
    if empty := next((row for row in second if not row.label), None):
        raise CondensationError(f"{path}, line {empty.line}: the label is empty.")
    return of_part[parts.train], second, note


def _file_of(row: TableRow, table: Path, finder: FileFinder, options: ReadOptions) -> ListedFile | None:
    """Return the file of ``row``, or None if it is missing and ``options`` skip bad images."""
    try:
        return finder.find(row.path)
    except CondensationError:  # a ValueError, too
        raise
    except (OSError, ValueError):  # ValueError: a null byte in the path
        if options.skip_bad:
            return None
        path = printable(str(table.parent / row.path))
        raise SkippedImage(_name_of(row, table), f"does not exist: {path} is not a file").error() from None


def _name_of(row: TableRow, table: Path) -> str:
    return f"{table}, line {row.line}: {printable(row.path)}"


CSV = Format("a CSV file of paths and labels", is_table, read_csv, has_parts=True, pending=pending_csv)
