"""A layout of data on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from condensation.data.dataset import RawData, ReadOptions
from condensation.data.decode.parallel import PendingData


@dataclass(frozen=True)
class Format:
    """A layout of data on disk, listed in `condensation.data.formats.registry.FORMATS`."""

    name: str  # for messages
    matches: Callable[[Path], bool]  # tests a path by names alone, without reading
    read: Callable[[Path, ReadOptions], RawData]
    dataset: str | None = None  # key in `DATASETS`, if only one data set has this format
    usual_names: tuple[str, ...] = ()  # names of its file or folder in a data folder
    has_parts: bool = False  # the user may name the training part and the test part
    pending: Callable[[Path, ReadOptions], PendingData] | None = None  # the images to read class by class, if it can
