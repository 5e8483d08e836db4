"""Training of one network for a pool, with snapshots of its weights at several accuracies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from condensation.core.errors import require
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.networks.pool_store import Snapshot, buckets_between
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, class_accuracies, optimizer_of, train_epoch


@dataclass(frozen=True)
class PoolRecipe:
    """Training of the networks of a pool, and the choice of snapshots to keep.

    >>> from condensation import PoolRecipe, Recipe
    >>> PoolRecipe(networks=2, recipe=Recipe(epochs=1)).validation
    0.1
    """

    networks: int = 20
    """Networks to train, each from its own initial weights."""
    recipe: Recipe = Recipe(epochs=10, augmentation=None)
    """Training of each network."""
    validation: float = 0.1
    """Fraction of each class, in (0, 1), that is held out at random to measure accuracies."""
    bounds: tuple[float, ...] = (10, 20, 30, 40, 50, 60, 70)
    """Increasing validation accuracies in percent that bound the buckets: 10-20, ..., 70+."""
    per_bucket: int = 3
    """Maximum number of snapshots per network and bucket."""
    growth: float = 1.2
    """Factor, above 1, between successive batch numbers at which a network is evaluated, from 1, 2, 3 on."""
    first_epochs: float = 0.0
    """Epochs of training before the first snapshot, at least 0."""
    seed: int = 0
    """Seed of the validation split, the initial weights and the training."""

    def __post_init__(self) -> None:
        require(self, "pool", ("networks", "per_bucket"), lambda value: value >= 1, "at least 1")
        require(self, "pool", ("validation",), lambda value: 0 < value < 1, "between 0 and 1")
        require(self, "pool", ("first_epochs",), lambda value: value >= 0, "at least 0")
        require(self, "pool", ("growth",), lambda value: value > 1, "above 1")
        growing = list(self.bounds) == sorted(set(self.bounds)) != [] and min(self.bounds) >= 0
        require(self, "pool", ("bounds",), lambda bounds: growing, "increasing percentages, such as 10,20,30")
        object.__setattr__(self, "bounds", tuple(map(float, self.bounds)))  # so that equal settings compare equal

    def total_batches(self, training: ImageSet) -> int:
        """Return the number of batches that a network is trained on."""
        return self.recipe.epochs * math.ceil(len(training) / self.recipe.batch)

    def evaluation_steps(self, batches: int) -> set[int]:
        """Return the batch numbers at which a network is evaluated: dense at first, when accuracies change fast, and always the last."""
        steps, step = {batches}, max(1, round(batches * self.first_epochs / self.recipe.epochs))
        while step < batches:
            steps.add(step)
            step = max(step + 1, math.ceil(step * self.growth))
        return steps


class PoolTrainer:
    """Trainer of network ``number`` of a pool. Evaluation does not affect the training."""

    def __init__(self, model: SingleModel, training: ImageSet, validation: ImageSet, settings: PoolRecipe, number: int, chunk: int) -> None:
        rng = Rng(settings.seed).child("network", number)
        self.epochs = 0  # finished
        self._model, self._training, self._validation, self._recipe, self._chunk = model, training, validation, settings.recipe, chunk
        self._batches = settings.total_batches(training)
        self._evaluation_steps = settings.evaluation_steps(self._batches)
        self._step = 0  # finished batches
        self._kept = Reservoir(settings, rng.child("keep"))
        self._rng = rng.child("train")
        model.reinitialize([rng.child("weights")])
        model.train(True)
        self._optimizer = optimizer_of(model, self._recipe)

    def epoch(self, on_progress: OnProgress | None = None) -> None:
        """Train for one epoch; ``on_progress`` gets the finished and the total batches."""

        # The forward pass precedes this call, so running statistics of batch norm are one batch ahead of the weights.
        def before_update(indices: Tensor, logits: Tensor) -> None:
            if self._step in self._evaluation_steps:
                self._evaluate()
            if on_progress:
                on_progress(self._step, self._batches)
            self._step += 1

        self._optimizer, _ = train_epoch(
            self._model, [self._training], self._recipe, [self._rng], self._optimizer, self.epochs, before_update
        )
        self.epochs += 1

    def finish(self, on_progress: OnProgress | None = None) -> list[Snapshot]:
        """Evaluate the trained network and return the kept snapshots in the order of training."""
        self._optimizer.zero_grad()  # the next network uses the same module
        self._evaluate()
        if on_progress:
            on_progress(self._batches, self._batches)
        return self._kept.snapshots()

    def _evaluate(self) -> None:
        per_class = class_accuracies(self._model, self._validation, self._chunk)[0].numpy()
        self._model.train(True)
        accuracy = 100 * float(np.average(per_class, weights=list(self._validation.counts.values())))
        weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self._model.network.state_dict().items()}
        if all(bool(tensor.isfinite().all()) for tensor in weights.values()):  # a diverged network is useless
            self._kept.offer(Snapshot(self._step, round(accuracy, 3), weights))

    def state_dict(self) -> dict[str, Any]:
        """Return the state after an epoch, from which training continues."""
        network, optimizer = dict(self._model.network.state_dict()), self._optimizer.state_dict()
        return {"network": network, "optimizer": optimizer, "epochs": self.epochs, "step": self._step, "kept": self._kept.state_dict()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._model.network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self.epochs, self._step = saved["epochs"], saved["step"]
        self._kept.load_state_dict(saved["kept"])


class Reservoir:
    """Uniform random sample of the snapshots of one network in each bucket (reservoir sampling)."""

    def __init__(self, settings: PoolRecipe, rng: Rng) -> None:
        self._size, self._rng = settings.per_bucket, rng
        self._buckets = buckets_between(settings.bounds)
        self._seen = [0] * len(self._buckets)
        self._chosen: list[list[Snapshot]] = [[] for _ in self._buckets]

    def offer(self, snapshot: Snapshot) -> None:
        """Add ``snapshot`` to its bucket; if the bucket is full, replace a random snapshot or drop it."""
        for place, bucket in enumerate(self._buckets):
            if snapshot.accuracy in bucket:
                chosen, self._seen[place] = self._chosen[place], self._seen[place] + 1
                if len(chosen) < self._size:
                    chosen.append(snapshot)
                    return
                replaced = int(self._rng.child(place, self._seen[place]).generator().integers(self._seen[place]))
                if replaced < self._size:
                    chosen[replaced] = snapshot

    def snapshots(self) -> list[Snapshot]:
        """Return the kept snapshots in the order of training."""
        return sorted((snapshot for chosen in self._chosen for snapshot in chosen), key=lambda snapshot: snapshot.step)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": list(self._seen), "chosen": [[dict(vars(kept)) for kept in bucket] for bucket in self._chosen]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._seen = list(saved["seen"])
        self._chosen = [[Snapshot(**content) for content in bucket] for bucket in saved["chosen"]]
