"""Settings that name a data set and how to read it."""

from dataclasses import dataclass, fields
from typing import Literal

from condensation.core.errors import CondensationError
from condensation.core.progress import OnProgress
from condensation.data.dataset import Data, ReadOptions
from condensation.data.load import load


@dataclass(frozen=True)
class DataSettings:
    """Data set and reading options; the arguments of `condensation.data.load.load`.

    >>> from condensation import DataSettings
    >>> DataSettings("digits", size=16).load().train.shape
    (1, 16, 16)
    """

    source: str = "fashion-mini"
    """Name listed by `condense data`, path of a file or folder, or ``hf:NAME`` for a data set of the Hugging Face hub."""
    folder: str | None = None
    """Data folder in which names are looked up; None: the environment variable CONDENSATION_DATA, then the user's data folder."""
    preprocessing: Literal["standardize", "published", "zca", "centered", "none"] = "standardize"
    """Normalization: fitted on the training images per channel, published constants, ZCA whitening (colour only), [-1, 1], or none."""
    size: int | str | None = None
    """Pixels of both sides, or height x width: 64, "48x64". None keeps the size; all images must then have the same size."""
    fit: Literal["crop", "pad"] = "crop"
    """Treatment of other aspect ratios: crop to the centre, or pad with black."""
    skip_bad: bool = False
    """Skip images that cannot be read and list them on the card; by default the first one raises an error."""
    columns: tuple[str, ...] = ()
    """Names of the image column and the label column of a table; empty: the usual names."""
    train: str | None = None
    """Name of the training part: a folder, a split, a value of a table's split column. None: a usual name, such as train."""
    test: str | None = None
    """Name of the test part, such as "val". None: a usual name, such as test; without one, a fifth of each class is held out."""
    drop_empty: bool = False
    """Leave out classes that have no training image; by default the first one raises an error."""
    flip_invariant: bool | None = None
    """True if mirrored images keep their label, as DSA's flips need; None: True except for digits."""
    pixel_range: str | None = None
    """Values of black and white in images of floats or more than 8 bits, such as "0,4095"; None: chosen from all their values."""
    max_pixels: int | None = None
    """Largest number of pixels per image file; None: Pillow's limit, 89 million."""
    fold: int | str | None = None
    """Value of a table's column ``fold`` whose rows are the test split; None: that column is ignored."""
    classes: tuple[str, ...] | None = None
    """Names of the classes to keep; networks still have an output for every class. None: all."""

    def __post_init__(self) -> None:
        if not self.source.strip():
            hint = 'Set a name that `condense data` lists, or a path: source="digits".'
            raise CondensationError("No data set given.", hint=hint, setting="data.source")
        if self.classes is not None and not self.classes:
            raise CondensationError("No classes given.", hint="Name at least one class, or leave out data.classes.", setting="data.classes")
        options = ReadOptions(self.size, self.fit, self.skip_bad, self.columns, pixel_range=self.pixel_range, max_pixels=self.max_pixels)
        shape = options.shape
        if shape:  # one spelling, so that equal settings compare equal
            object.__setattr__(self, "size", shape[0] if shape[0] == shape[1] else "x".join(map(str, shape)))

    def load(self, on_progress: OnProgress | None = None) -> Data:
        """Return the training and test images; see `condensation.data.load.load`."""
        arguments = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("source", "classes")}
        data = load(self.source, **arguments, on_progress=on_progress)
        return data if self.classes is None else data.only(self.classes)
