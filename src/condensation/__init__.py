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

if TYPE_CHECKING:  # `as` tells type checkers that a name is public
    from condensation.artifacts.condensed_set import CondensedSet as CondensedSet
    from condensation.artifacts.export.export import EXPORTS as EXPORTS
    from condensation.artifacts.trained_generator import KeepGenerator as KeepGenerator, TrainedGenerator as TrainedGenerator
    from condensation.augment.base import Augmentation as Augmentation, Seeded as Seeded
    from condensation.augment.dsa import DSA as DSA
    from condensation.core.checkpoint import Checkpoint as Checkpoint
    from condensation.core.compute import Compute as Compute
    from condensation.core.errors import (
        CondensationError as CondensationError,
        MissingExtra as MissingExtra,
        NotEnoughMemory as NotEnoughMemory,
    )
    from condensation.core.form import Form as Form, Tiles as Tiles
    from condensation.core.images import ImageSet as ImageSet
    from condensation.core.preprocessing import Identity as Identity, Preprocessing as Preprocessing, Standardize as Standardize, Zca as Zca
    from condensation.core.rng import Rng as Rng
    from condensation.core.soft_labels import SoftLabels as SoftLabels
    from condensation.core.team import Team as Team
    from condensation.data.catalogue import DATASETS as DATASETS
    from condensation.data.dataset import Data as Data
    from condensation.data.from_dataset import from_dataset as from_dataset
    from condensation.data.load import from_arrays as from_arrays, load as load
    from condensation.data.settings import DataSettings as DataSettings
    from condensation.evaluation.compare import EvaluationSettings as EvaluationSettings
    from condensation.evaluation.evaluate import Accuracies as Accuracies, evaluate as evaluate
    from condensation.methods.base import Method as Method
    from condensation.methods.best_of import BestOf as BestOf
    from condensation.methods.big_gan import BigGAN as BigGAN
    from condensation.methods.dc import DC as DC, SiameseDC as SiameseDC
    from condensation.methods.dc_vae import DCVAE as DCVAE
    from condensation.methods.dm import DM as DM
    from condensation.methods.forgetting import Forgetting as Forgetting
    from condensation.methods.gmmn import GMMN as GMMN
    from condensation.methods.gtn import GTN as GTN
    from condensation.methods.herding import Herding as Herding
    from condensation.methods.k_center import KCenter as KCenter
    from condensation.methods.kip import KIP as KIP
    from condensation.methods.loop import condense as condense
    from condensation.methods.pixel_mmd import PixelMMD as PixelMMD
    from condensation.methods.privacy import Privacy as Privacy
    from condensation.methods.random import Random as Random
    from condensation.methods.registry import METHODS as METHODS
    from condensation.methods.release import Release as Release
    from condensation.methods.step_info import Diverged as Diverged, Observer as Observer, StepInfo as StepInfo, Stopped as Stopped
    from condensation.networks.base import Classifier as Classifier, NetworkSampler as NetworkSampler, NetworkSpec as NetworkSpec
    from condensation.networks.convnet import ConvNet as ConvNet
    from condensation.networks.near import Near as Near
    from condensation.networks.registry import NETWORKS as NETWORKS
    from condensation.networks.samplers import Between as Between, Fresh as Fresh, Pool as Pool
    from condensation.networks.user_module import UserModule as UserModule
    from condensation.report.grid import grid as grid
    from condensation.report.tracking import Track as Track
    from condensation.runs.presets import PRESETS as PRESETS, preset as preset
    from condensation.runs.run import RunResult as RunResult, run as run
    from condensation.runs.settings import RunSettings as RunSettings
    from condensation.training.curriculum import CurriculumResult as CurriculumResult, Schedule as Schedule, teach as teach
    from condensation.training.make_pool import PoolRecipe as PoolRecipe, make_pool as make_pool
    from condensation.training.train import Recipe as Recipe, train as train
    from condensation.training.trained import Trained as Trained

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
    if name == "__version__":  # importing this module takes longer than the rest of the package
        return import_module("importlib.metadata").version(__name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'condensation' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
