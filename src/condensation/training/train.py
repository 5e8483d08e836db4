"""How a classifier is trained on a set, real or synthetic, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.augment.base import Augmentation, concat_transforms
from condensation.augment.dsa import DSA
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet, Shape
from condensation.core.microbatch import split
from condensation.core.rng import Rng
from condensation.core.soft_labels import LOSSES, SoftLabels, loss_for
from condensation.networks.base import Classifier
from condensation.training.stacked import ModelBatch, SingleModel

# Told after each epoch how many are done.
OnEpoch = Callable[[int], None]
# Told of each batch: the places of its images in the sets, and their logits.
OnBatch = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained: SGD on cross-entropy, the learning rate dropped once to a tenth.

    On a set with soft labels it is SGD on the loss that they are for, which the set says, not the recipe.

    ``Recipe()`` is the clean form of the published evaluation; `Recipe.paper` repeats the published code to the letter.
    """

    epochs: int = 1000
    lr: float = 0.01
    lr_drop_epoch: int | None = None  # epochs; None: half of them
    reset_momentum: bool = False  # forget the momentum at the drop
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
        if self.lr_drop_epoch is not None and self.lr_drop_epoch < 0:
            raise CondensationError(
                f"The recipe's lr_drop_epoch is {self.lr_drop_epoch}; it must be 0 or more, or none for half of the epochs."
            )

    @classmethod
    def paper(cls, epochs: int = 1000) -> Recipe:
        """The evaluation of the published code: one epoch more, the drop two later, and a new optimiser there."""
        return cls(epochs=epochs + 1, lr_drop_epoch=epochs // 2 + 2, reset_momentum=True)

    @property
    def drop_epoch(self) -> int:
        """After how many epochs the learning rate drops."""
        return self.epochs // 2 if self.lr_drop_epoch is None else self.lr_drop_epoch


def train(network: Classifier, data: ImageSet, recipe: Recipe, rng: Rng, on_epoch: OnEpoch | None = None) -> None:
    """Train ``network`` in place on ``data``."""
    train_together(SingleModel(network), [data], recipe, [rng], on_epoch)


@dataclass(frozen=True, eq=False)
class EpochWindow:
    """Images that a training goes through ``count`` an epoch: each epoch has the next ones, in a random order, then all again.

    So a training on many images can have exactly the steps of one on few.
    """

    images: ImageSet
    count: int  # an epoch
    rng: Rng

    def __len__(self) -> int:
        return self.count

    @property
    def shape(self) -> Shape:
        return self.images.shape

    @property
    def soft_labels(self) -> SoftLabels | None:
        return self.images.soft_labels

    def of_epoch(self, epoch: int) -> ImageSet:
        """What the ``epoch``-th epoch, from 0, learns from."""
        size, first = len(self.images), epoch * self.count
        passes = range(first // size, (first + self.count - 1) // size + 1)
        order = torch.cat([self.rng.child("pass", number).permutation(size) for number in passes])
        start = first - passes[0] * size
        return self.images.take(order[start : start + self.count].sort().values.to(self.images.device))


def train_together(
    learners: ModelBatch, sets: Sequence[ImageSet | EpochWindow], recipe: Recipe, rngs: Sequence[Rng], on_epoch: OnEpoch | None = None
) -> None:
    """Train each of ``learners`` on its own set, by its own stream; the sets are of one size.

    Each comes to what it would come to alone, but for rounding.
    """
    learners.train(True)
    optimizer = optimizer_of(learners, recipe)
    for epoch in range(recipe.epochs):
        of_epoch = [one.of_epoch(epoch) if isinstance(one, EpochWindow) else one for one in sets]
        optimizer, _ = train_epoch(learners, of_epoch, recipe, rngs, optimizer, epoch)
        if on_epoch:
            on_epoch(epoch + 1)
    optimizer.zero_grad()  # what is kept needs no gradients


def train_epoch(
    learners: ModelBatch,
    sets: Sequence[ImageSet],
    recipe: Recipe,
    rngs: Sequence[Rng],
    optimizer: torch.optim.SGD,
    epoch: int,
    on_batch: OnBatch | None = None,
) -> tuple[torch.optim.SGD, Tensor]:
    """One epoch of `train_together`, the ``epoch``-th from 0: the optimiser to go on with, and the mean loss of an image and network.

    ``on_batch`` is told of each batch before the weights change by it: the places (count, n) of the images in their sets, and
    the logits (count, n, classes).
    """
    if epoch == recipe.drop_epoch:
        if recipe.reset_momentum:
            optimizer = optimizer_of(learners, recipe)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr / 10
    dtype = learners.parameters()[0].dtype
    augmentations = [recipe.augmentation.fit(one) if recipe.augmentation else None for one in sets]
    orders = [rng.child("order", epoch).permutation(len(sets[0])).to(sets[0].device) for rng in rngs]
    loss_name = loss_for([one.soft_labels for one in sets])
    loss_of = LOSSES[loss_name] if loss_name else F.cross_entropy
    total = torch.zeros((), dtype=dtype, device=sets[0].device)
    with learners.seeded([rng.child("dropout", epoch) for rng in rngs]):
        for number, piece in enumerate(split(len(sets[0]), recipe.batch)):
            chosen = [order[piece] for order in orders]
            images, labels = _batch(sets, chosen)
            images, count = images.to(dtype), len(images) // len(sets)
            labels = labels.to(dtype) if labels.is_floating_point() else labels
            if recipe.augmentation:
                streams = [rng.child("augment", epoch, number) for rng in rngs]
                drawn = [one.per_image(count, rng) for one, rng in zip(augmentations, streams, strict=True) if one]
                images = concat_transforms(drawn, count)(images, torch.arange(len(images)))
            images, labels = (one.view(learners.count, count, *one.shape[1:]) for one in (images, labels))
            optimizer.zero_grad()
            said = []
            for part in learners.pieces(images):
                logits, wanted = learners.forward_each(images[:, part]), labels[:, part].flatten(0, 1)
                # The sum of the networks' losses: no parameter of one is in the loss of another.
                loss = learners.count * loss_of(logits.flatten(0, 1).to(dtype), wanted) * (logits.shape[1] / count)
                loss.backward()  # type: ignore[no-untyped-call]
                said.append(logits.detach())
                total += loss.detach() * count
            if on_batch:
                on_batch(torch.stack(chosen), torch.cat(said, 1))
            optimizer.step()
    return optimizer, total / (learners.count * len(sets[0]))


def _batch(sets: Sequence[ImageSet], chosen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The images that each network sees of its set, one after the other, and what it shall say of them."""
    if all(one is sets[0] for one in sets):
        indices = torch.cat(list(chosen))
        return sets[0].inputs(indices), _wanted(sets[0])[indices]
    images = torch.cat([one.inputs(indices) for one, indices in zip(sets, chosen, strict=True)])
    return images, torch.cat([_wanted(one)[indices] for one, indices in zip(sets, chosen, strict=True)])


def _wanted(data: ImageSet) -> Tensor:
    """Soft labels (n, classes) where there are any, else classes (n,)."""
    return data.soft_labels.values if data.soft_labels else data.labels


def optimizer_of(learners: ModelBatch, recipe: Recipe) -> torch.optim.SGD:
    """What ``recipe`` changes the networks' weights with, before its first step."""
    return torch.optim.SGD(learners.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def class_accuracies(learners: ModelBatch, test: ImageSet, chunk: int) -> Tensor:
    """The part of the images of each class of ``test`` that each network gets right, in [0, 1]: (count, classes), float64.

    ``chunk`` images are looked at in one go; in evaluation mode no norm mixes images, so this changes nothing.
    """
    learners.train(False)
    dtype = learners.parameters()[0].dtype
    right = torch.zeros(learners.count, len(test.classes), dtype=torch.int64, device=test.device)
    with torch.no_grad():
        for piece in split(len(test), chunk):
            correct = learners.forward_shared(test.inputs(piece).to(dtype)).argmax(2) == test.labels[piece]
            right.index_add_(1, test.class_index[piece], correct.long())
    return right.cpu() / torch.tensor(list(test.counts.values()), dtype=torch.float64)
