"""Networks that are trained a little on the real images before the first step, kept in the cache."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import torch

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, require
from condensation.core.images import ImageSet, Shape
from condensation.core.plain import to_dict
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.data.cache import cache_root
from condensation.networks.base import Classifier, NetworkSampler, NetworkSpec
from condensation.networks.convnet import ConvNet
from condensation.networks.pool_store import data_identity
from condensation.networks.samplers import Between, Pool, TrainedNetworks
from condensation.training.make_pool import make_pool
from condensation.training.pool_trainer import PoolRecipe
from condensation.training.train import Recipe


@dataclass(frozen=True)
class Trained(NetworkSampler):
    """A few networks trained for a few epochs with augmentation and CutMix; each step draws one of them.

    They are trained once per data set, before the first step, and found again in the cache folder. Early networks match more than the
    features of random filters, and still differ from each other (IDC, Kim et al., ICML 2022; IDM, Zhao et al., CVPR 2023).

    >>> from condensation import DM, ConvNet, Trained
    >>> DM(networks=Trained(networks=2, epochs=1, spec=ConvNet(width=64)), calibration=1.0).networks.epochs
    1
    """

    name: ClassVar[str] = "trained"
    trains = True
    networks: int = 3
    """Networks to train, each from its own initial weights."""
    epochs: int = 3
    """Training epochs of each network."""
    draw: Literal["snapshots", "between"] = "snapshots"
    """Weights of a step: one of the ``snapshots`` from a quarter epoch on, or a point ``between`` initial and last weights."""
    seed: int = 0
    """Seed of the networks; sets of different seeds share the networks of one."""
    spec: NetworkSpec = ConvNet()
    """Architecture of the networks."""

    def __post_init__(self) -> None:
        require(self, "method.networks", ("networks", "epochs"), lambda value: value >= 1, "at least 1")

    @property
    def is_trained(self) -> bool:
        return True

    @property
    def recipe(self) -> PoolRecipe:
        """Training of the networks: the recipe with CutMix, from whose first quarter epoch snapshots are kept."""
        recipe = Recipe.with_cutmix(self.epochs)
        return PoolRecipe(self.networks, recipe, bounds=(0,), per_bucket=50, growth=1.4, first_epochs=0.25, seed=self.seed)

    def prepared(self, real: ImageSet, compute: Compute, on_progress: OnProgress | None = None) -> TrainedNetworks:
        folder, number = self._folder(real), 0

        def on_network(index: int, count: int, finished: bool) -> None:
            nonlocal number
            number = index

        def on_batch(done: int, total: int) -> None:
            if on_progress:
                on_progress(number * total + done, self.networks * total)

        make_pool(self.spec, real, folder, self.recipe, compute=compute, on_network=on_network, on_progress=on_batch)
        return Between(str(folder), self.spec) if self.draw == "between" else Pool(str(folder), "0+", self.spec)

    def is_made(self, real: ImageSet) -> bool:
        try:
            Pool(str(self._folder(real)), "0+", self.spec).validate(real)
        except CondensationError:
            return False
        return True

    def _folder(self, real: ImageSet) -> Path:
        content = [to_dict(part) for part in (self.recipe, self.spec, data_identity(real))]
        key = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=12).hexdigest()
        return Path(cache_root() or _temporary_folder().name) / "networks" / key

    def network(self, image_shape: Shape, num_classes: int, device: torch.device | str) -> Classifier:
        return self.spec.build(image_shape, num_classes, Rng(0)).requires_grad_(False).train().to(device)

    def redraw(self, network: Classifier, rng: Rng) -> None:
        raise CondensationError("These networks are not trained yet.", hint="Draw from prepared(real, compute), as condense does.")


def require_trained(networks: NetworkSampler) -> None:
    """Raise CondensationError unless the ``networks`` are trained, as calibration needs."""
    if not networks.is_trained:
        message = "method.calibration needs trained networks: the logits of untrained networks say nothing about classes."
        hint = 'Draw networks from a pool: Between(path) or Pool(path, bucket="30+"); or use calibration=0.'
        raise CondensationError(message, hint=hint, setting="method.networks")


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed when the process ends, for use without a cache."""
    return tempfile.TemporaryDirectory(prefix="condensation-")
