"""Hugging Face data sets: from the hub, from a folder, or as objects of the library datasets."""

import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from condensation.core.errors import CondensationError, MissingExtra
from condensation.core.trust import require_trusted_hub
from condensation.core.user_code import last_line
from condensation.data.cache import read_cached
from condensation.data.dataset import RawData, ReadOptions
from condensation.data.decode.decode import DecodedImage, UnreadableImage, decode_file, decode_image, readable_formats
from condensation.data.decode.parallel import PendingImage, PendingImages, read_splits
from condensation.data.folders import HUB
from condensation.data.formats.archive import naming_damage
from condensation.data.formats.format import Format
from condensation.data.formats.hub_columns import HubColumns, find_columns, has_labels, labels_of
from condensation.data.labels import INTEGER, class_indices, infer_class_names
from condensation.data.own_output import is_own_folder
from condensation.data.parts import require_parts

SAVED = ("dataset_info.json", "dataset_dict.json")  # files of `save_to_disk`
SHARD = re.compile(r"-\d+-of-\d+$")
ROWS = 256  # rows fetched at a time


def is_hub_name(source: object) -> bool:
    """Return whether ``source`` is ``hf:NAME`` or ``hf:NAME/CONFIG``."""
    return isinstance(source, str) and source.startswith(HUB)


def is_saved_dataset(path: Path) -> bool:
    """Return whether ``path`` is a folder of ``save_to_disk``, a folder with parquet files, or a parquet file."""
    if path.is_file():
        return path.suffix == ".parquet"
    folders = [path] if is_own_folder(path / "data") else [path, path / "data"]  # an export of the program may be called "data"
    return any((path / name).is_file() for name in SAVED) or any(next(folder.glob("*.parquet"), None) for folder in folders)


def is_hugging_face(value: object) -> bool:
    """Return whether ``value`` is a Hugging Face data set or a mapping of several."""
    splits = list(value.values()) if isinstance(value, Mapping) else [value]
    return bool(splits) and all(hasattr(split, "features") and hasattr(split, "column_names") for split in splits)


def read_hub(source: str, options: ReadOptions) -> tuple[str, RawData]:
    """Return name and data of ``hf:NAME`` or ``hf:NAME/CONFIG``, a repository or folder. Raise CondensationError if it cannot be loaded."""
    name = source.removeprefix(HUB)
    exists = bool(name) and Path(name).exists()
    require_trusted_hub(source, local=exists)
    name = name if exists else name.strip("/")
    if not name:
        raise CondensationError("hf: needs the name of a data set.", hint="For example hf:ylecun/mnist.", setting="data.source")
    owner, _, rest = name.partition("/")
    repository, _, config = rest.partition("/")
    arguments = [name] if exists or not rest else [f"{owner}/{repository}", *([config] if config else [])]
    read = partial(_load_folder, name, options) if exists else lambda library: library.load_dataset(*arguments)
    dataset = _load(read, name)
    return Path(arguments[0]).name, replace(_read_with_cache(dataset, options, source), format="a data set of Hugging Face")


def read_saved(path: Path, options: ReadOptions = ReadOptions()) -> RawData:
    """Return the data that ``save_to_disk`` wrote to the folder ``path``, or the data of its parquet files."""
    for file in [path] if path.is_file() else [file for folder in (path, path / "data") for file in sorted(folder.glob("*.parquet"))]:
        _check_parquet(file)
    if path.is_file():
        dataset = _load(lambda library: library.load_dataset("parquet", data_files=str(path)), str(path))
    elif any((path / name).is_file() for name in SAVED):
        dataset = _load(lambda library: library.load_from_disk(str(path)), str(path))
    else:
        dataset = _load(partial(_load_folder, str(path), options), str(path))
    return _read_with_cache(dataset, options, str(path))


def read_splits_of(train: Any, test: Any, options: ReadOptions, name: str, class_names: tuple[str, ...] | None = None) -> RawData:
    """Return the data of one or two ``Dataset``, or a ``DatasetDict``; strings are looked up in the user's ``class_names``."""
    train, test, note = _choose_splits(train, test, options, name)
    for split in (train, test):
        if split is not None and not hasattr(split, "__len__"):
            message = f"{name} is a stream ({type(split).__name__}); expected a Dataset with a length."
            hint = "Load it without streaming=True, or take a part: Dataset.from_list(list(stream.take(1000)))."
            raise CondensationError(message, hint=hint)
    columns = find_columns(train, options.columns, name)
    labels = labels_of(train, columns, name)
    as_text = columns.class_names is None and not all(map(INTEGER.fullmatch, labels))

    def pending(dataset: Any, columns: HubColumns, labels: list[str], split: str, as_text: bool) -> PendingImages:
        origin, names = f"{name} ({split})", columns.class_names
        if as_text:
            names = class_names or infer_class_names(labels)
        numbers = class_indices(labels, names, origin, "class_names") if names and as_text else [int(label) for label in labels]
        return PendingImages(_items(dataset, columns, numbers, f"{name}, {split}"), len(dataset), origin, names)

    second = None
    if test is not None:
        test_columns = find_columns(test, (columns.image, columns.label), name)
        test_labels = labels_of(test, test_columns, name)
        test_as_text = test_columns.class_names is None and (as_text or not all(map(INTEGER.fullmatch, test_labels)))
        second = pending(test, test_columns, test_labels, "test", test_as_text)
    return read_splits(pending(train, columns, labels, "train", as_text), second, options, note)


def _load_folder(path: str, options: ReadOptions, library: Any) -> Any:
    """Return the splits of a folder; each parquet file keeps its own class names, which the library would take from the first."""
    builder = library.load_dataset_builder(path)
    if not type(builder).__name__.startswith("Parquet"):
        return library.load_dataset(path)
    splits = {str(name): list(files) for name, files in builder.config.data_files.items()}
    if options.named_parts and len(splits) == 1:  # the library knows few names of parts
        files = sorted(*splits.values())
        splits = {name: [file for file in files if _part_of(file) == name] for name in map(_part_of, files)}
    read = library.Dataset.from_parquet
    return library.DatasetDict({name: library.concatenate_datasets([read(file) for file in files]) for name, files in splits.items()})


def _part_of(file: str) -> str:
    """Return the name of a file without the number of its shard, as in ``train-00000-of-00002.parquet``."""
    return SHARD.sub("", Path(file).stem)


def _check_parquet(path: Path) -> None:
    """Check the metadata of a parquet file, because the library's error does not name the damaged file."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("Reading parquet files", "hub") from None
    with naming_damage(path):
        parquet.read_metadata(path)


def _load(load: Callable[[Any], Any], name: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtra("Reading data sets of Hugging Face", "hub") from None
    try:
        with _quietly(datasets):
            return load(datasets)
    except MemoryError:
        raise
    except Exception as problem:  # errors of any type from the hub, the network and many file formats
        message = f"The library datasets could not load {name}: {last_line(problem)}"
        hint = "Check the name (hf:OWNER/NAME or hf:OWNER/NAME/CONFIG) and the network."
        raise CondensationError(message, hint=hint, setting="data.source") from None


@contextmanager
def _quietly(library: Any) -> Iterator[None]:
    """Hide warnings, such as each attempt to reach the hub, and keep the library from telling a server which data are loaded."""
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels, reports = [logger.level for logger in loggers], library.config.HF_UPDATE_DOWNLOAD_COUNTS
    library.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        library.config.HF_UPDATE_DOWNLOAD_COUNTS = reports
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _read_with_cache(dataset: Any, options: ReadOptions, name: str) -> RawData:
    """Return the data from the cache if the library's fingerprints match; data without fingerprints are not cached."""
    splits = list(dataset.values()) if isinstance(dataset, Mapping) else [dataset]
    fingerprints = [getattr(split, "_fingerprint", None) for split in splits]
    if not all(fingerprints):
        return read_splits_of(dataset, None, options, name)
    return read_cached(("hf", name), fingerprints, options, lambda: read_splits_of(dataset, None, options, name))


def _choose_splits(train: Any, test: Any, options: ReadOptions, name: str) -> tuple[Any, Any, str]:
    """Return the training split, the first test split with labels, and a note on the choice."""
    if not isinstance(train, Mapping):
        return train, test, ""
    splits = dict(train)
    hint = "Name the parts: data.train=NAME data.test=NAME (in Python: from_dataset(train, test))."
    parts = require_parts(splits, options, name, alone=True, hint=hint)
    if test is not None:
        return splits[parts.train], test, ""
    columns = find_columns(splits[parts.train], options.columns, name)
    chosen, note = parts.choose_test([part for part in parts.tests if not has_labels(splits[part], columns)])
    return splits[parts.train], splits[chosen] if chosen else None, note


def _items(dataset: Any, columns: HubColumns, labels: Sequence[int], origin: str) -> Iterator[PendingImage]:
    """Yield the images as stored files, which threads decode later."""
    import datasets

    stored = dataset.select_columns([columns.image]).with_format(None)
    if getattr(stored.features[columns.image], "dtype", None) == "large_binary":  # some versions of datasets make no image of it
        stored = stored.cast_column(columns.image, datasets.Value("binary"))
    stored = stored.cast_column(columns.image, datasets.Image(decode=False))
    for first in range(0, len(stored), ROWS):
        for row, value in enumerate(stored[first : first + ROWS][columns.image], first):
            path = (value or {}).get("path")
            yield PendingImage(f"{origin}, row {row}{f' ({Path(path).name})' if path else ''}", labels[row], partial(_decode, value))


def _decode(value: Mapping[str, Any] | None, options: ReadOptions) -> DecodedImage:
    if not value or not (value.get("bytes") or value.get("path")):
        raise UnreadableImage("is empty")
    if not value.get("bytes"):
        return decode_file(value["path"], options)
    return decode_image(lambda: Image.open(io.BytesIO(value["bytes"]), formats=readable_formats()), options)


HUGGING_FACE = Format("a data set of Hugging Face (save_to_disk, or parquet)", is_saved_dataset, read_saved, has_parts=True)
