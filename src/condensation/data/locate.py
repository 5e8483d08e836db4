"""Search for data sets in the data folders."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from condensation.core.errors import CondensationError, NoSuchData, did_you_mean
from condensation.core.text import in_line
from condensation.data.catalogue import DATASETS, DatasetInfo, known_name, normalized_name
from condensation.data.decode.list_files import subfolders
from condensation.data.folders import VARIABLE, data_folder, names_beside, no_path_error, search_folders
from condensation.data.formats.bundled import BUNDLED
from condensation.data.formats.idx import is_idx_folder
from condensation.data.formats.npz import is_npz_folder
from condensation.data.formats.registry import FORMATS, format_of
from condensation.data.own_output import is_own_folder

logger = logging.getLogger(__name__)

IDX_NAMES = ("mnist", "fashion-mnist")


@dataclass(frozen=True)
class DatasetListing:
    """A row of the list that ``condense data`` prints."""

    name: str
    info: DatasetInfo | None  # None for a folder that is not in the catalogue
    where: str | None  # "bundled", a path, or None if it was not found


def find_folder(name: str, folder: Path) -> Path | None:
    """Return the path in ``folder`` of the data set ``name`` in any format."""
    return next((path for path in _candidates(name, folder) if format_of(path)), None)


def find_dataset(name: str, folder: str | Path | None) -> Path | None:
    """Return the path of the data set ``name`` in the first of `search_folders` that has it."""
    return next((path for root in search_folders(folder) if (path := find_folder(name, root))), None)


def warn_of_shadow(name: str, place: Path | None) -> None:
    """Warn if the data set ``name``, read from ``place`` (None: bundled), hides data with that name in the current folder."""
    with suppress(OSError):  # the current folder may be unreadable
        here = sorted(path for path in Path().iterdir() if normalized_name(path.name) == normalized_name(name))
        hidden = next((path for path in here if format_of(path) and not (place and path.samefile(place))), None)
        if hidden is None:
            return
        taken = "the bundled data set was read" if place is None else f"{place} was read"
        other = f'For ./{hidden}, set source="./{hidden}"'
        again = "" if place is None else f'; for the other without this warning, source="{place}"'
        logger.warning(f"{name!r} is a known name and a name in the current folder: {taken}, not ./{hidden}. {other}{again}.")


def list_datasets(folder: str | Path | None = None) -> list[DatasetListing]:
    """Return all data sets of the catalogue, then other folders with ``train.npz`` in the data folder."""
    rows = []
    for name, info in DATASETS.items():
        path = None if info.bundled else find_dataset(name, folder)
        rows.append(DatasetListing(name, info, "bundled" if info.bundled else str(path) if path else None))
    root = data_folder(folder)
    others = [path for path in subfolders(root) if is_npz_folder(path) and known_name(path.name) is None] if root else []
    return rows + [DatasetListing(path.name, None, str(path)) for path in others]


def not_found_error(name: str, root: Path | None) -> CondensationError:
    """Return the error for a data set that is neither bundled nor in ``root``."""
    if "\\" in name:  # a path of Windows, where it is none
        return no_path_error(name)
    searched = f"The data folder is {root}." if root else f"No data folder was given, and {VARIABLE} is not set."
    advice = f"set folder=... or {VARIABLE} to the folder that has {in_line(name)}/train.npz and {in_line(name)}/test.npz"
    known = known_name(name)
    if known is None:
        if Path(name).suffix[1:].isalpha():  # such as table.csv
            suggestion = did_you_mean(Path(name).name, names_beside(Path(name)))
            return NoSuchData(f"There is no folder or file {name}.{suggestion}{f' {searched}' if root else ''}", setting="data.source")
        names = [row.name for row in list_datasets(root)]
        message = f"There is no data set, folder or file {name!r}.{did_you_mean(name, [*names_beside(Path(name)), *names])} {searched}"
        hint = f"Give the path of your own images, {advice}, or use one of {', '.join(names)}."
        return NoSuchData(message, hint=hint, setting="data.source")
    idx = ", or its four IDX files" if known in IDX_NAMES else ""
    official = "".join(f", or {form.usual_names[0]}" for form in FORMATS if form.dataset == known)
    hint = f"Get it with: condense data get {known}\nOr {advice}{official}{idx}. Bundled data sets: {', '.join(BUNDLED)}."
    return CondensationError(f"The data set {known!r} was not found. {searched}", hint=hint, setting="data.source")


def no_format_error(path: Path) -> CondensationError:
    """Return the error for an existing ``path`` in none of the formats."""
    if path.suffix == ".safetensors" or is_own_folder(path):
        hint = "Name the original data; `condense export` writes the images of a set as files."
        return CondensationError(f"{path} was written by this program; it is no data set.", hint=hint, setting="data.source")
    hint = "Expected a sub-folder of images per class, a CSV table, npz or IDX files, a data set of Hugging Face, or files of a known one."
    return CondensationError(f"Found no data set in {path}.", hint=hint, setting="data.source")


def official_paths(name: str, folder: Path) -> Iterator[Path]:
    """Return the existing paths in ``folder`` with the official names of the data set ``name``."""
    paths = (folder / usual for form in FORMATS if form.dataset == known_name(name) for usual in form.usual_names)
    return (path for path in paths if path.exists())


def _candidates(name: str, folder: Path) -> Iterator[Path]:
    for path in subfolders(folder):
        if normalized_name(path.name) == normalized_name(name):
            if (path / "raw").is_dir():  # MNIST/raw of torchvision
                yield path / "raw"
            yield from official_paths(name, path)  # before the folder, which looks like a folder of images once they are unpacked
            yield path
    yield from official_paths(name, folder)
    # The folder itself may hold the files. IDX files do not name their data set, so the name of the folder must fit.
    anonymous_idx = known_name(name) in IDX_NAMES and known_name(folder.name) is None and is_idx_folder(folder)
    if normalized_name(folder.name) == normalized_name(name) or anonymous_idx:
        yield folder
