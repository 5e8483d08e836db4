"""Networks that are trained for a pool, looked at on the way, and kept as they were at some moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.networks.pool_store import Snapshot, buckets_between
from condensation.training.stacked import SingleModel
from condensation.training.train import Recipe, class_accuracies, optimizer_of, train_epoch

# Told of batches: how many are done, and how many there are.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class PoolRecipe:
    """How the networks of a pool are trained, and which of their states are kept."""

    networks: int = 20  # trained, each from weights of its own
    recipe: Recipe = Recipe(epochs=10, augmentation=None)
    validation: float = 0.1  # of the images of each class, at random: kept from training, and what accuracies are measured on
    bounds: tuple[float, ...] = (10, 20, 30, 40, 50, 60, 70)  # of validation accuracies in percent: 10-20, ..., 70+
    per_bucket: int = 3  # states that are kept of one network between two bounds, at most
    growth: float = 1.2  # a network is looked at after 1, 2, 3, ... batches, each time this much later than the time before
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("networks", "per_bucket"):
            if getattr(self, name) < 1:
                raise CondensationError(f"A pool's {name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 < self.validation < 1:
            raise CondensationError(f"A pool's validation is {self.validation}; it must lie between 0 and 1.")
        if not self.growth > 1:
            raise CondensationError(f"A pool's growth is {self.growth}; it must be above 1.")
        if not self.bounds or min(self.bounds) < 0 or list(self.bounds) != sorted(set(self.bounds)):
            said = ",".join(f"{bound:g}" for bound in self.bounds) or "none"
            raise CondensationError(f"A pool's bounds are {said}; they must be percentages that grow, such as 10,20,30.")

        object.__setattr__(self, "bounds", tuple(map(float, self.bounds)))  # written in one way, so that equal settings are equal

    def batches(self, training: ImageSet) -> int:
        """How many a network learns from."""
        return self.recipe.epochs * math.ceil(len(training) / self.recipe.batch)

    def looks(self, batches: int) -> set[int]:
        """After how many of ``batches`` a network is looked at: often at first, where accuracies change fast, and after the last."""
        steps, step = {batches}, 1
        while step < batches:
            steps.add(step)
            step = max(step + 1, math.ceil(step * self.growth))
        return steps


class PoolTrainer:
    """One network under training: that with this ``number``, whatever the learner was before.

    Looking at it changes nothing. What `state_dict` gives is all that survives an epoch.
    """

    def __init__(self, learner: SingleModel, training: ImageSet, validation: ImageSet, how: PoolRecipe, number: int, chunk: int) -> None:
        rng = Rng(how.seed).child("network", number)
        self.epochs = 0  # done
        self._learner, self._training, self._validation, self._how, self._chunk = learner, training, validation, how, chunk
        self._batches = how.batches(training)
        self._looks = how.looks(self._batches)
        self._step = 0  # batches learned from
        self._kept = _Kept(how, rng.child("keep"))
        self._rng = rng.child("train")
        learner.begin([rng.child("weights")])
        learner.train(True)
        self._optimizer = optimizer_of(learner, how.recipe)

    def epoch(self, on_progress: OnProgress | None = None) -> None:
        """Go through the training images once more."""

        # Running statistics of batch norm have seen the batch already, which is not learned from yet: they are half a batch ahead.
        def before_batch(places: Tensor, logits: Tensor) -> None:
            if self._step in self._looks:
                self._look()
            if on_progress:
                on_progress(self._step, self._batches)
            self._step += 1

        self._optimizer, _ = train_epoch(
            self._learner, [self._training], self._how.recipe, [self._rng], self._optimizer, self.epochs, before_batch
        )
        self.epochs += 1

    def finish(self, on_progress: OnProgress | None = None) -> list[Snapshot]:
        """What is kept of the network, now that it is trained, in the order of its steps."""
        self._optimizer.zero_grad()  # the module is for the next
        self._look()
        if on_progress:
            on_progress(self._batches, self._batches)
        return self._kept.all()

    def _look(self) -> None:
        per_class = class_accuracies(self._learner, self._validation, self._chunk)[0].numpy()
        self._learner.train(True)
        accuracy = 100 * float(np.average(per_class, weights=list(self._validation.counts.values())))
        weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self._learner.network.state_dict().items()}
        if all(bool(tensor.isfinite().all()) for tensor in weights.values()):  # a network that was lost embeds nothing
            self._kept.offer(Snapshot(self._step, round(accuracy, 3), weights))

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on after an epoch."""
        network, optimizer = dict(self._learner.network.state_dict()), self._optimizer.state_dict()
        return {"network": network, "optimizer": optimizer, "epochs": self.epochs, "step": self._step, "kept": self._kept.state_dict()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._learner.network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self.epochs, self._step = saved["epochs"], saved["step"]
        self._kept.load_state_dict(saved["kept"])


class _Kept:
    """What is kept of one network: in each bucket a random few of its states, whatever their number (reservoir sampling)."""

    def __init__(self, how: PoolRecipe, rng: Rng) -> None:
        self._most, self._rng = how.per_bucket, rng
        self._buckets = buckets_between(how.bounds)
        self._seen = [0] * len(self._buckets)
        self._chosen: list[list[Snapshot]] = [[] for _ in self._buckets]

    def offer(self, one: Snapshot) -> None:
        for place, bucket in enumerate(self._buckets):
            if one.accuracy in bucket:
                chosen, self._seen[place] = self._chosen[place], self._seen[place] + 1
                if len(chosen) < self._most:
                    chosen.append(one)
                    return
                other = int(self._rng.child(place, self._seen[place]).generator().integers(self._seen[place]))
                if other < self._most:
                    chosen[other] = one

    def all(self) -> list[Snapshot]:
        return sorted((one for chosen in self._chosen for one in chosen), key=lambda one: one.step)

    def state_dict(self) -> dict[str, Any]:
        chosen = [[{"step": one.step, "accuracy": one.accuracy, "weights": dict(one.weights)} for one in of] for of in self._chosen]
        return {"seen": list(self._seen), "chosen": chosen}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self._seen = list(saved["seen"])
        self._chosen = [[Snapshot(**one) for one in of] for of in saved["chosen"]]
