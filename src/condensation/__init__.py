"""Condense an image training set into a few synthetic images per class.

>>> from condensation import DM, condense, evaluate, load
>>> data = load("fashion-mini")
>>> small = condense(DM.fast(ipc=10), data.train, ipc=10)  # doctest: +SKIP
>>> print(evaluate(small, data.test))  # doctest: +SKIP
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condensation.artifacts.condensed_set import CondensedSet
    from condensation.artifacts.export.export import EXPORTS
    from condensation.artifacts.trained_generator import KeepGenerator, TrainedGenerator
    from condensation.augment.base import Augmentation, Seeded
    from condensation.augment.dsa import DSA
    from condensation.core.checkpoint import Checkpoint
    from condensation.core.compute import Compute
    from condensation.core.errors import CondensationError, MissingExtra, NotEnoughMemory
    from condensation.core.form import Form, Tiles
    from condensation.core.images import ImageSet
    from condensation.core.preprocessing import Identity, Preprocessing, Standardize, Zca
    from condensation.core.rng import Rng
    from condensation.core.soft_labels import SoftLabels
    from condensation.data.catalogue import DATASETS
    from condensation.data.dataset import Data
    from condensation.data.from_dataset import from_dataset
    from condensation.data.load import from_arrays, load
    from condensation.data.settings import DataSettings
    from condensation.evaluation.compare import EvaluationSettings
    from condensation.evaluation.evaluate import Accuracies, evaluate
    from condensation.methods.base import Method
    from condensation.methods.best_of import BestOf
    from condensation.methods.big_gan import BigGAN
    from condensation.methods.dc import DC, SiameseDC
    from condensation.methods.dc_vae import DCVAE
    from condensation.methods.dm import DM
    from condensation.methods.forgetting import Forgetting
    from condensation.methods.gmmn import GMMN
    from condensation.methods.gtn import GTN
    from condensation.methods.herding import Herding
    from condensation.methods.k_center import KCenter
    from condensation.methods.kip import KIP
    from condensation.methods.loop import Diverged, Observer, StepInfo, Stopped, condense
    from condensation.methods.pixel_mmd import PixelMMD
    from condensation.methods.random import Random
    from condensation.methods.registry import METHODS
    from condensation.networks.base import Classifier, NetworkSampler, NetworkSpec
    from condensation.networks.convnet import ConvNet
    from condensation.networks.registry import NETWORKS
    from condensation.networks.samplers import Between, Fresh, Pool
    from condensation.networks.user_module import UserModule
    from condensation.report.grid import grid
    from condensation.runs.presets import PRESETS, preset
    from condensation.runs.run import RunResult, run
    from condensation.runs.settings import RunSettings
    from condensation.training.curriculum import CurriculumResult, Schedule, teach
    from condensation.training.make_pool import PoolRecipe, make_pool
    from condensation.training.train import Recipe, train
    from condensation.training.trained import Trained

# Modules of the public names, read from the block above. A name is imported when it is first used, so that the help of the command
# need not wait for torch.
_HOMES = {
    alias.name: node.module or ""
    for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    if isinstance(node, ast.ImportFrom) and str(node.module).startswith("condensation.")
    for alias in node.names
}
__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'condensation' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
