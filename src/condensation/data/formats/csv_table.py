"""CSV tables of paths and labels, separated by commas, semicolons or tabs."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.data.cache import read_cached
from condensation.data.dataset import FileSummary, Format, RawData, ReadOptions, SkippedImage
from condensation.data.decode.list_files import ListedFile, file_stamp, printable, stat_file
from condensation.data.decode.parallel import PendingImages, file_image, read_splits
from condensation.data.labels import class_indices, infer_class_names
from condensation.data.parts import choose_parts, part_kind

SUFFIXES = (".csv", ".tsv")
DELIMITERS = ",;\t"
PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "id")
LABELS = ("label", "class", "target", "class_name", "category", "y")
SPLITS = ("split", "set", "part", "subset", "fold")


@dataclass(frozen=True)
class TableRow:
    """A row of the table."""

    line: int  # line number in the file, from 1
    path: str
    label: str
    split: str


def is_table(path: Path) -> bool:
    """Return whether ``path`` is a table, from its name alone."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_csv(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the images in the table at ``path``, whose paths are relative to its folder.

    An optional column ``split`` separates training and test images. Integer labels are sorted as numbers, others as names. Raise
    CondensationError if a column or a file is missing, or the table is empty.
    """
    rows = read_rows(path, options.columns)
    train, test, note = _split_rows(rows, path, options)
    files = [_file_of(row, path, options) for row in (*train, *test)]
    listing = [file_stamp(path.stat()), *((file.name, *file.stamp) if file else None for file in files)]
    first, second = _pending(train, path, str(path)), _pending(test, path, f"The test split of {path}") if test else None
    raw = read_cached(("csv", path), listing, options, lambda: read_splits(first, second, options, note))
    return raw if raw.files else replace(raw, files=FileSummary())


def _pending(rows: Sequence[TableRow], path: Path, origin: str) -> PendingImages:
    names = infer_class_names([row.label for row in rows])
    labels = class_indices([row.label for row in rows], names, origin, origin)
    # A missing file fails to decode later and is then listed as skipped.
    items = [file_image(str(path.parent / row.path), _name_of(row, path), label) for row, label in zip(rows, labels, strict=True)]
    return PendingImages(items, len(items), origin, names)


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[TableRow]:
    """Return the rows of the table; ``columns`` names the path column and the label column, by default the usual names."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        message = f"{path} is not UTF-8: {problem.reason} at byte {problem.start}."
        raise CondensationError(message, hint="Save it as UTF-8.") from None
    except OSError as problem:
        raise CondensationError(f"{path} cannot be read: {problem.strerror or problem}.") from None
    if not text.strip():
        raise CondensationError(f"{path} is empty.", hint="Start with a line of column names, path and label; add one line per image.")
    delimiter, indices = _find_columns(text, columns, path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = []
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_row(cells, indices, reader.line_num, path))
    except csv.Error as problem:
        raise CondensationError(f"{path}, line {reader.line_num}: {problem}.") from None
    if not rows:
        raise CondensationError(f"{path} has column names but no images.", hint="Add one line per image: its path and its label.")
    return rows


def _find_columns(text: str, columns: Sequence[str], path: Path) -> tuple[str, tuple[int, int, int | None]]:
    """Return the delimiter for which the first line has the required columns, and the indices of path, label and split."""
    wanted = [(columns[0].lower(),), (columns[1].lower(),)] if columns else [PATHS, LABELS]
    headers = [next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []) for delimiter in DELIMITERS]
    for delimiter, header in zip(DELIMITERS, headers, strict=True):
        names = [name.strip().lower() for name in header]
        image, label, split = (_first_index(names, known) for known in (*wanted, SPLITS))
        if image is not None and label is not None and image != label:
            return delimiter, (image, label, split)
    header = max(headers, key=len)
    names = [name.strip().lower() for name in header]
    missing = [kind for kind, known in zip(("path", "label"), wanted, strict=True) if _first_index(names, known) is None]
    asked = f" named {columns[0]!r} and {columns[1]!r}" if columns else ""
    present = ", ".join(name.strip() for name in header)
    message = f"{path} has no {' and no '.join(missing) or 'separate'} column{asked}; its columns are {present}."
    hint = "Name the columns path and label, or set data.columns=PATH,LABEL (in Python: columns=('PATH', 'LABEL'))."
    raise CondensationError(message, hint=hint, setting="data.columns")


def _first_index(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _row(cells: Sequence[str], indices: tuple[int, int, int | None], line: int, path: Path) -> TableRow:
    image, label, split = indices
    if max(image, label, split or 0) >= len(cells):
        raise CondensationError(f"{path}, line {line}: there are only {len(cells)} columns.", hint="Add a path and a label to each line.")
    row = TableRow(line, cells[image].strip(), cells[label].strip(), "train" if split is None else cells[split].strip())
    for kind, value in (("path", row.path), ("label", row.label)):
        if not value:
            raise CondensationError(f"{path}, line {line}: the {kind} is empty.")
    return row


def _split_rows(rows: Sequence[TableRow], path: Path, options: ReadOptions) -> tuple[list[TableRow], list[TableRow], str]:
    """Return the training rows, the test rows, and a note if there are several test splits."""
    if options.train is None and options.test is None and (other := next((row for row in rows if not part_kind(row.split)), None)):
        message = f"{path}, line {other.line}: the split is {other.split!r}, expected train, test or val."
        raise CondensationError(message, hint="Name the parts: data.train=NAME data.test=NAME.", setting="data.train")
    parts = choose_parts((row.split.lower() for row in rows), options, str(path))
    if parts is None:
        raise CondensationError(f"{path} has no line with the split train.", hint="Name it: data.train=NAME.", setting="data.train")
    test = next(iter(parts.tests), None)
    first, second = ([row for row in rows if row.split.lower() == name] for name in (parts.train, test))
    return first, second, parts.note(test)


def _file_of(row: TableRow, table: Path, options: ReadOptions) -> ListedFile | None:
    """Return the file of ``row``, or None if it is missing and ``options`` skip bad images."""
    path = table.parent / row.path
    try:
        return stat_file(path, row.path)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        if options.skip_bad:
            return None
        raise SkippedImage(_name_of(row, table), f"does not exist: {printable(str(path))} is not a file").error() from None


def _name_of(row: TableRow, table: Path) -> str:
    return f"{table}, line {row.line}: {printable(row.path)}"


CSV = Format("a CSV file of paths and labels", is_table, read_csv, has_parts=True)
