"""Data sets of Hugging Face: by name from the hub, from a folder, or as objects of their library."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from condensation.core.errors import CondensationError, MissingExtra
from condensation.data.cache import cached
from condensation.data.dataset import Format, Parts, ReadOptions
from condensation.data.decode.decode import Picture, Unreadable, formats, read_picture
from condensation.data.decode.parallel import Heap, Item, read_parts
from condensation.data.labels import WHOLE, classes_of, numbered

PREFIX = "hf:"
TRAIN = ("train", "training")
TEST = ("test", "validation", "valid", "val", "dev")  # the first that is there is the test part
LABELS = ("label", "labels", "class", "target", "category", "fine_label")
SAVED = ("dataset_info.json", "dataset_dict.json")  # what `save_to_disk` leaves
ROWS = 256  # fetched at a time


@dataclass(frozen=True)
class Columns:
    """The columns of a data set that are read, and the names of the classes where it has them."""

    image: str
    label: str
    class_names: tuple[str, ...] | None


def is_hub_name(source: object) -> bool:
    """Whether ``source`` is ``hf:NAME`` or ``hf:NAME/CONFIG``."""
    return isinstance(source, str) and source.startswith(PREFIX)


def holds_hugging_face(path: Path) -> bool:
    """Whether ``path`` is a folder that ``save_to_disk`` made, has parquet files, or is one."""
    if path.is_file():
        return path.suffix == ".parquet"
    return any((path / name).is_file() for name in SAVED) or any(next(folder.glob("*.parquet"), None) for folder in (path, path / "data"))


def is_hugging_face(value: object) -> bool:
    """Whether ``value`` is a data set of Hugging Face, or several by name of part."""
    parts = list(value.values()) if isinstance(value, Mapping) else [value]
    return bool(parts) and all(hasattr(part, "features") and hasattr(part, "column_names") for part in parts)


def read_hub(source: str, how: ReadOptions) -> tuple[str, Parts]:
    """The data set ``hf:NAME`` or ``hf:NAME/CONFIG``, where NAME is that of a repository of the hub, or of a folder.

    Raises:
        CondensationError: if there is no such data set, or the hub is out of reach.
        MissingExtra: without the packages of Hugging Face.
    """
    name = source.removeprefix(PREFIX).strip("/") if not Path(source.removeprefix(PREFIX)).exists() else source.removeprefix(PREFIX)
    if not name:
        raise CondensationError("hf: needs the name of a data set of the hub, such as hf:ylecun/mnist.")
    owner, _, rest = name.partition("/")
    repository, _, config = rest.partition("/")
    arguments = [name] if Path(name).exists() or not rest else [f"{owner}/{repository}", *([config] if config else [])]
    dataset = _loaded(lambda library: library.load_dataset(*arguments), name)
    return Path(arguments[0]).name, replace(_cached(dataset, None, how, source), format="a data set of Hugging Face")


def read_saved(path: Path, how: ReadOptions = ReadOptions()) -> Parts:
    """What ``save_to_disk`` left in the folder ``path``, or its parquet files."""
    for file in [path] if path.is_file() else [file for folder in (path, path / "data") for file in sorted(folder.glob("*.parquet"))]:
        _check_parquet(file)
    if path.is_file():
        dataset = _loaded(lambda library: library.load_dataset("parquet", data_files=str(path)), str(path))
    elif any((path / name).is_file() for name in SAVED):
        dataset = _loaded(lambda library: library.load_from_disk(str(path)), str(path))
    else:
        dataset = _loaded(lambda library: library.load_dataset(str(path)), str(path))
    return _cached(dataset, None, how, str(path))


def parts_of(train: Any, test: Any, how: ReadOptions, name: str) -> Parts:
    """A ``Dataset``, perhaps with one for the test, or the parts of a ``DatasetDict``, as parts."""
    train, test, note = _split(train, test, name)
    columns = _columns(train, how.columns, name)
    train_labels, test_labels = (_labels(one, columns, name) if one is not None else [] for one in (train, test))
    names = columns.class_names
    if names is None and any(not WHOLE.fullmatch(label) for label in train_labels):
        names = classes_of(train_labels)
    numbers, test_numbers = (
        numbered(labels, names, name, "its training part") if names and columns.class_names is None else [int(label) for label in labels]
        for labels in (train_labels, test_labels)
    )
    heaps = [
        Heap(_items(one, columns, labels, f"{name}, {part}"), len(one), f"{name} ({part})") if one is not None else None
        for one, labels, part in ((train, numbers, "train"), (test, test_numbers, "test"))
    ]
    assert heaps[0] is not None  # as train is not None
    return read_parts(heaps[0], heaps[1], names, how, note)


def _check_parquet(path: Path) -> None:
    """Look at the end of the file, where its layout stands: of a file that is cut off the library does not tell the name."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingExtra("Reading parquet files", "hub") from None
    try:
        parquet.read_metadata(path)
    except (ArrowException, OSError) as problem:
        raise CondensationError(f"{path} is damaged or truncated, or no parquet file: {problem}\nGet or make the file again.") from None


def _loaded(load: Callable[[Any], Any], name: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtra("Reading data sets of Hugging Face", "hub") from None
    try:
        with _silenced("datasets", "huggingface_hub"):
            return load(datasets)
    except MemoryError:
        raise
    except Exception as problem:  # the hub, the network and many file formats: errors of any type
        reason = " ".join(str(problem).split())[:300]
        raise CondensationError(
            f"Hugging Face's datasets could not load {name}: {type(problem).__name__}: {reason}\n"
            "See that the name is right (hf:OWNER/NAME, or hf:OWNER/NAME/CONFIG) and the network is there; datasets are kept once loaded."
        ) from None


@contextmanager
def _silenced(*packages: str) -> Iterator[None]:
    """Without the warnings that ``packages`` log, such as each attempt to reach the hub: what comes of them is said once, as an error."""
    loggers = [logging.getLogger(name) for name in packages]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _cached(dataset: Any, test: Any, how: ReadOptions, name: str) -> Parts:
    """From the cache if the library's own fingerprint is that of before; not cached where there is none."""
    parts = list(dataset.values()) if isinstance(dataset, Mapping) else [dataset]
    prints = [getattr(part, "_fingerprint", None) for part in parts]
    if not all(prints):
        return parts_of(dataset, test, how, name)
    return cached(("hf", name), prints, how, lambda: parts_of(dataset, test, how, name))


def _split(train: Any, test: Any, name: str) -> tuple[Any, Any, str]:
    if not isinstance(train, Mapping):
        return train, test, ""
    parts = dict(train)
    first = next((parts[key] for key in TRAIN if key in parts), None)
    if first is None and len(parts) > 1:
        raise CondensationError(f"{name} has no part called train; it has {', '.join(parts)}.\nGive the parts: from_dataset(train, test).")
    if first is None:
        first = next(iter(parts.values()))
    found = [key for key in TEST if key in parts and parts[key] is not first]
    note = f"Of {' and '.join(found)}, {found[0]} was used." if test is None and len(found) > 1 else ""
    return first, test if test is not None else parts[found[0]] if found else None, note


def _columns(dataset: Any, wanted: Sequence[str], name: str) -> Columns:
    """Found by their types, unless they are named."""
    features = dataset.features or {}
    kinds = {column: type(feature).__name__ for column, feature in features.items()}
    images = [column for column, kind in kinds.items() if kind == "Image"]
    labels = [column for column, kind in kinds.items() if kind == "ClassLabel"] or [column for column in LABELS if column in kinds]
    if wanted:
        for column in wanted:
            if column not in kinds:
                raise CondensationError(f"{name} has no column {column!r}; it has {', '.join(kinds)}.")
        images, labels = [wanted[0]], [wanted[1]]
        if kinds[wanted[0]] != "Image":
            raise CondensationError(f"The column {wanted[0]!r} of {name} holds no images but {kinds[wanted[0]]}.")
    if len(labels) > 1:
        labels = [column for column in LABELS[:2] if column in labels]  # of several, only one with that very name is clear
    if len(images) != 1 or len(labels) != 1:
        having = ", ".join(f"{column} ({kind})" for column, kind in kinds.items())
        raise CondensationError(
            f"Which columns of {name} are the images and the labels is not clear; it has {having}.\n"
            "Name both: data.columns=IMAGE,LABEL (in Python: columns=('IMAGE', 'LABEL'))."
        )
    label = labels[0]
    names = getattr(features[label], "names", None)
    return Columns(images[0], label, tuple(names) if names else None)


def _labels(dataset: Any, columns: Columns, name: str) -> list[str]:
    labels = list(dataset.with_format(None)[columns.label])
    for row, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise CondensationError(f"Row {row} of {name} has the label {label!r}; it must be a whole number or a text.")
    return [str(label) for label in labels]


def _items(dataset: Any, columns: Columns, labels: Sequence[int], origin: str) -> Iterator[Item]:
    """Files as they were stored: they are decoded later, by several threads."""
    import datasets

    stored = dataset.select_columns([columns.image]).with_format(None).cast_column(columns.image, datasets.Image(decode=False))
    for first in range(0, len(stored), ROWS):
        for row, value in enumerate(stored[first : first + ROWS][columns.image], first):
            path = (value or {}).get("path")
            yield Item(f"{origin}, row {row}{f' ({Path(path).name})' if path else ''}", labels[row], partial(_picture, value))


def _picture(value: Mapping[str, Any] | None, how: ReadOptions) -> Picture:
    if not value or not (value.get("bytes") or value.get("path")):
        raise Unreadable("is empty")
    source = io.BytesIO(value["bytes"]) if value.get("bytes") else value["path"]
    return read_picture(lambda: Image.open(source, formats=formats()), how)


HUGGING_FACE = Format("a data set of Hugging Face (save_to_disk, or parquet)", holds_hugging_face, read_saved)
