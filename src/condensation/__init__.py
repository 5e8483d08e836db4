"""Condense an image training set into a few synthetic images per class.

>>> from condensation import DM, condense, evaluate, load
>>> data = load("fashion-mini")
>>> small = condense(DM.fast(ipc=10), data.train, ipc=10)  # doctest: +SKIP
>>> print(evaluate(small, data.test))  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condensation.artifact import CondensedSet
    from condensation.augment import DSA, Augmentation, Seeded
    from condensation.checkpoint import Checkpoint
    from condensation.compute import Compute
    from condensation.condensing import Diverged, Moment, Observer, Stopped, condense
    from condensation.data import DATASETS, Data, from_arrays, from_dataset, load
    from condensation.errors import CondensationError, MissingExtra, NotEnoughMemory
    from condensation.evaluation import Accuracies, evaluate
    from condensation.export import EXPORTS
    from condensation.images import ImageSet
    from condensation.judging import DataSettings, EvaluationSettings
    from condensation.methods import (
        DC,
        DCVAE,
        DM,
        GMMN,
        GTN,
        KIP,
        METHODS,
        BestOf,
        BigGAN,
        Forgetting,
        Herding,
        KCenter,
        Method,
        PixelMMD,
        Random,
        SiameseDC,
    )
    from condensation.networks import NETWORKS, Classifier, ConvNet, Fresh, NetworkSampler, NetworkSpec, Own, Pool
    from condensation.pooling import PoolRecipe, make_pool
    from condensation.preprocess import Identity, Preprocessing, Standardize, Zca
    from condensation.presets import PRESETS, preset
    from condensation.report.grid import grid
    from condensation.rng import Rng
    from condensation.runs import RunResult, RunSettings, run
    from condensation.sampling import KeepGenerator, TrainedGenerator
    from condensation.soft_labels import SoftLabels
    from condensation.teaching import Schedule, Taught, teach
    from condensation.training import Recipe, train

# Where each public name lives. Names are imported when they are first used, so that `condense --help` need not wait for torch.
_HOMES = {
    "artifact": ("CondensedSet",),
    "augment": ("DSA", "Augmentation", "Seeded"),
    "checkpoint": ("Checkpoint",),
    "compute": ("Compute",),
    "condensing": ("Diverged", "Moment", "Observer", "Stopped", "condense"),
    "data": ("DATASETS", "Data", "from_arrays", "from_dataset", "load"),
    "errors": ("CondensationError", "MissingExtra", "NotEnoughMemory"),
    "evaluation": ("Accuracies", "evaluate"),
    "export": ("EXPORTS",),
    "images": ("ImageSet",),
    "judging": ("DataSettings", "EvaluationSettings"),
    "methods": (
        "DC",
        "DCVAE",
        "DM",
        "GMMN",
        "GTN",
        "KIP",
        "METHODS",
        "BestOf",
        "BigGAN",
        "Forgetting",
        "Herding",
        "KCenter",
        "Method",
        "PixelMMD",
        "Random",
        "SiameseDC",
    ),
    "networks": ("NETWORKS", "Classifier", "ConvNet", "Fresh", "NetworkSampler", "NetworkSpec", "Own", "Pool"),
    "pooling": ("PoolRecipe", "make_pool"),
    "preprocess": ("Identity", "Preprocessing", "Standardize", "Zca"),
    "presets": ("PRESETS", "preset"),
    "report.grid": ("grid",),
    "rng": ("Rng",),
    "runs": ("RunResult", "RunSettings", "run"),
    "sampling": ("KeepGenerator", "TrainedGenerator"),
    "teaching": ("Schedule", "Taught", "teach"),
    "soft_labels": ("SoftLabels",),
    "training": ("Recipe", "train"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'condensation' has no attribute {name!r}")
    value = getattr(import_module(f"condensation.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
