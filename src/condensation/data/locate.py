"""Where a data set lies: in the folder given, or in the one that CONDENSATION_DATA names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from condensation.core.errors import CondensationError, NoSuchData, unknown
from condensation.data.catalogue import DATASETS, DatasetInfo, known_name, plain
from condensation.data.formats.bundled import BUNDLED
from condensation.data.formats.idx import holds_idx
from condensation.data.formats.image_folder import subfolders
from condensation.data.formats.npz import holds_npz
from condensation.data.formats.registry import FORMATS, format_of

VARIABLE = "CONDENSATION_DATA"
IDX_NAMES = ("mnist", "fashion-mnist")


@dataclass(frozen=True)
class Listed:
    """A data set that could be loaded, for the list that ``condense data`` prints."""

    name: str
    info: DatasetInfo | None  # None for a folder that is not in the catalogue
    where: str | None  # "embedded", a folder, or None if it was not found


def data_folder(folder: str | Path | None) -> Path | None:
    """``folder``, or what CONDENSATION_DATA names, or None.

    Raises:
        NoSuchData: if that is no folder.
    """
    named = folder if folder is not None else os.environ.get(VARIABLE) or None
    if named is None:
        return None
    path = Path(named).expanduser()
    if not path.is_dir():
        raise NoSuchData(f"There is no folder {path}{'' if folder is not None else f', which {VARIABLE} names'}.")
    return path


def user_folder() -> Path | None:
    """Where ``condense data get`` puts data if no folder is named; None without the package that knows the system's custom."""
    try:
        from platformdirs import user_data_path
    except ImportError:
        return None
    return user_data_path("condensation", appauthor=False)


def roots(folder: str | Path | None) -> list[Path]:
    """The folders in which data sets are looked for: the one that is named, then that of the user."""
    named, own = data_folder(folder), user_folder()
    return [root for root in (named, own) if root is not None and root.is_dir()]


def find(name: str, folder: Path) -> Path | None:
    """Where in ``folder`` the data set ``name`` lies, in any format."""
    return next((place for place in _places(name, folder) if format_of(place)), None)


def find_anywhere(name: str, folder: str | Path | None) -> Path | None:
    """Where the data set ``name`` lies in the first of `roots` that has it."""
    return next((place for root in roots(folder) if (place := find(name, root))), None)


def available(folder: str | Path | None = None) -> list[Listed]:
    """Every data set of the catalogue, found or not, then whatever else has ``train.npz`` in the data folder."""
    root = data_folder(folder)
    rows = []
    for name, info in DATASETS.items():
        place = None if info.embedded else find_anywhere(name, folder)
        rows.append(Listed(name, info, "embedded" if info.embedded else str(place) if place else None))
    others = [path for path in subfolders(root) if holds_npz(path) and known_name(path.name) is None] if root else []
    return rows + [Listed(path.name, None, str(path)) for path in others]


def not_found(name: str, root: Path | None) -> CondensationError:
    """The error for a data set that is neither embedded nor in ``root``."""
    looked = f"It was looked for in {root}." if root else f"No data folder was given, and {VARIABLE} is not set."
    point = f"Point --folder (folder=...) or {VARIABLE} to the folder that holds it"
    known = known_name(name)
    if known is None:
        if Path(name).suffix[1:].isalpha():  # such as table.csv
            return NoSuchData(f"There is no folder or file {name}.{f' {looked}' if root else ''}")
        names = [row.name for row in available(root)]
        nor = f"Nor is there a folder or file {name} here."
        return NoSuchData(f"{unknown('data set', name, names)} {nor}\n{looked} {point} as {name}/train.npz and {name}/test.npz.")
    idx = " or as its four IDX files" if known in IDX_NAMES else ""
    embedded = ", ".join(BUNDLED)
    usual = "".join(f" or as {one.usual[0]}" for one in FORMATS if one.dataset == known)
    return CondensationError(
        f"The data set {known!r} was not found. {looked}\nGet it with: condense data get {known}\n"
        f"Or {point[0].lower()}{point[1:]} as {known}/train.npz and {known}/test.npz{usual}{idx}. "
        f"Embedded, so always there: {embedded}."
    )


def official(name: str, folder: Path) -> Iterator[Path]:
    """What in ``folder`` is called as the authors of the data set ``name`` call their files."""
    usual = (folder / one for form in FORMATS if form.dataset == known_name(name) for one in form.usual)
    return (path for path in usual if path.exists())


def _places(name: str, folder: Path) -> Iterator[Path]:
    for path in subfolders(folder):
        if plain(path.name) == plain(name):
            if (path / "raw").is_dir():  # as torchvision leaves MNIST/raw
                yield path / "raw"
            yield from official(name, path)  # before the folder itself, which looks like one of images if they are unpacked
            yield path
    yield from official(name, folder)
    own = known_name(folder.name)
    # The folder itself may hold the files; IDX files don't say which data set they are, so its name must not contradict.
    if plain(folder.name) == plain(name) or (known_name(name) in IDX_NAMES and own is None and holds_idx(folder)):
        yield folder
