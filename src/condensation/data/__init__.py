"""Real data: `load` by name or path, `from_arrays` and `from_dataset` for what is in memory, `available` for what could be loaded."""

from condensation.data.catalogue import DATASETS, DatasetInfo
from condensation.data.dataset import Data, Fit, Found, MixedSizes, OnProgress, Reading, Size, Skipped, as_shape
from condensation.data.fitting import PreprocessingName
from condensation.data.loading import from_arrays, load
from condensation.data.locate import Listed, available
from condensation.data.objects import from_dataset

__all__ = [
    "DATASETS",
    "Data",
    "DatasetInfo",
    "Fit",
    "Found",
    "Listed",
    "MixedSizes",
    "OnProgress",
    "PreprocessingName",
    "Reading",
    "Size",
    "Skipped",
    "as_shape",
    "available",
    "from_arrays",
    "from_dataset",
    "load",
]
