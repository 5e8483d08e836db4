"""How a classifier is trained on a set, real or synthetic, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.augment import DSA, Augmentation
from condensation.compute import Compute, Embedding, split
from condensation.errors import CondensationError
from condensation.images import ImageSet
from condensation.networks.base import Classifier, seeded
from condensation.rng import Rng

# Told after each epoch how many are done.
OnEpoch = Callable[[int], None]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: SGD on cross-entropy, the learning rate dropped once to a tenth.

    ``Recipe()`` is the clean form of the published evaluation; `Recipe.paper` repeats the published code to the letter.
    """

    epochs: int = 1000
    lr: float = 0.01
    drop_after: int | None = None  # epochs; None: half of them
    restart_at_drop: bool = False  # forget the momentum at the drop
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch: int = 256
    augmentation: Augmentation | None = DSA()

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise CondensationError(f"The recipe's {name} is {getattr(self, name)}; it must be at least 1.")
        if not self.lr > 0:
            raise CondensationError(f"The recipe's lr is {self.lr}; it must be above 0.")
        if not 0 <= self.momentum < 1 or not self.weight_decay >= 0:
            raise CondensationError(
                f"The recipe's momentum is {self.momentum} and its weight_decay {self.weight_decay}; "
                "momentum must lie in [0, 1), weight_decay be 0 or more."
            )
        if self.drop_after is not None and self.drop_after < 0:
            raise CondensationError(f"The recipe's drop_after is {self.drop_after}; it must be 0 or more, or none for half of the epochs.")

    @classmethod
    def paper(cls, epochs: int = 1000) -> Recipe:
        """The evaluation of the published code: one epoch more, the drop two later, and a new optimiser there."""
        return cls(epochs=epochs + 1, drop_after=epochs // 2 + 2, restart_at_drop=True)

    @property
    def drop_epoch(self) -> int:
        """After how many epochs the learning rate drops."""
        return self.epochs // 2 if self.drop_after is None else self.drop_after


def train(
    network: Classifier, data: ImageSet, recipe: Recipe, rng: Rng, forward: Embedding | None = None, on_epoch: OnEpoch | None = None
) -> None:
    """Train ``network`` in place on ``data``; ``forward`` computes its logits, by default the network itself."""
    forward = forward or network
    augmentation = recipe.augmentation.fit(data) if recipe.augmentation else None
    network.train()
    optimizer = _optimizer(network, recipe, recipe.lr)
    for epoch in range(recipe.epochs):
        if epoch == recipe.drop_epoch:
            if recipe.restart_at_drop:
                optimizer = _optimizer(network, recipe, recipe.lr / 10)
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr / 10
        order = rng.child("order", epoch).permutation(len(data)).to(data.device)
        with seeded(network, rng.child("dropout", epoch)):
            for number, piece in enumerate(split(len(data), recipe.batch)):
                indices = order[piece]
                images = data.inputs(indices).to(network.classifier.weight.dtype)
                if augmentation:
                    transform = augmentation.per_image(len(indices), rng.child("augment", epoch, number))
                    images = transform(images, torch.arange(len(indices), device=data.device))
                optimizer.zero_grad()
                F.cross_entropy(forward(images).to(images.dtype), data.labels[indices]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        if on_epoch:
            on_epoch(epoch + 1)


def _optimizer(network: Classifier, recipe: Recipe, lr: float) -> torch.optim.SGD:
    return torch.optim.SGD(network.parameters(), lr=lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def class_accuracies(network: Classifier, test: ImageSet, compute: Compute, forward: Embedding | None = None) -> Tensor:
    """The part of the images of each class of ``test`` that ``network`` gets right, in [0, 1]: (classes,), float64."""
    forward = forward or network
    network.eval()
    right = torch.zeros(len(test.classes), dtype=torch.int64, device=test.device)
    # In evaluation mode no norm mixes images, so chunks are always allowed.
    chunk = compute.chunk or compute.suitable_chunk(test.shape)
    with torch.no_grad():
        for piece in split(len(test), chunk):
            images = test.inputs(piece).to(network.classifier.weight.dtype)
            correct = forward(images).argmax(1) == test.labels[piece]
            right.index_add_(0, test.rows[piece], correct.long())
    return right.cpu() / torch.tensor(list(test.counts.values()), dtype=torch.float64)
