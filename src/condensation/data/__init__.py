"""Real data: `load` by name or path, `from_arrays` for what is in memory, `available` for what could be loaded."""

from condensation.data.catalogue import DATASETS, DatasetInfo
from condensation.data.dataset import Data
from condensation.data.fitting import PreprocessingName
from condensation.data.loading import from_arrays, load
from condensation.data.locate import Listed, available

__all__ = ["DATASETS", "Data", "DatasetInfo", "Listed", "PreprocessingName", "available", "from_arrays", "load"]
