"""Training of classifiers on image sets, real or synthetic, and their accuracies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor
from torch.optim import Optimizer

from condensation.augment.base import Augmentation, concat_transforms
from condensation.augment.cutmix import cutmix
from condensation.augment.dsa import DSA
from condensation.core.errors import require
from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.rng import Rng
from condensation.core.soft_labels import LOSSES, loss_for
from condensation.networks.base import Classifier
from condensation.training.epoch_window import EpochWindow
from condensation.training.stacked import ModelBatch, SingleModel

OnEpoch = Callable[[int], None]  # called after each epoch with the number of finished epochs
# Called for each batch, before the update, with the indices (count, n) of its images and their logits (count, n, classes).
OnBatch = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Recipe:
    """Training of a classifier: SGD on cross-entropy; by default the learning rate drops once, to a tenth.

    The soft labels of a set, if any, determine the loss. The defaults are the published evaluation (Zhao & Bilen, 2023) without the
    off-by-one errors of the published code; `Recipe.paper` repeats that code exactly.

    >>> from condensation import Recipe
    >>> Recipe(epochs=300, lr=0.02).epochs, Recipe.paper().epochs
    (300, 1001)
    """

    epochs: int = 1000
    """Training epochs, at least 1."""
    lr: float = 0.01
    """Learning rate of SGD, above 0."""
    lr_drop_epoch: int | None = None
    """Epochs before the learning rate drops to a tenth; None for half of the epochs."""
    reset_momentum: bool = False
    """Reset the momentum at the drop."""
    momentum: float = 0.9
    """Momentum of SGD, in [0, 1)."""
    weight_decay: float = 5e-4
    """L2 penalty on the weights, 0 or more."""
    batch: int = 256
    """Images per batch, at least 1."""
    augmentation: Augmentation | None = DSA()
    """Augmentation of the training images; None for no augmentation."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Optimizer: ``sgd`` with momentum, or ``adamw``, whose weight decay is decoupled."""
    schedule: Literal["drop", "two-drops", "cosine"] = "drop"
    """Learning rate: ``drop`` to a tenth at lr_drop_epoch, ``two-drops`` to a fifth at 2/3 and at 5/6 of the epochs, or ``cosine`` to 0."""
    cutmix: float = 0.0
    """Probability that a batch is mixed by CutMix, in [0, 1]."""
    epoch_images: int | None = None
    """Images of an epoch, at least 1; an epoch of a larger set has the next ones in random order. None for all images."""

    def __post_init__(self) -> None:
        require(self, "recipe", ("epochs", "batch"), lambda value: value >= 1, "at least 1")
        require(self, "recipe", ("lr",), lambda value: value > 0, "above 0")
        require(self, "recipe", ("momentum",), lambda value: 0 <= value < 1, "in [0, 1)")
        require(self, "recipe", ("cutmix",), lambda value: 0 <= value <= 1, "in [0, 1]")
        require(self, "recipe", ("weight_decay",), lambda value: value >= 0, "at least 0")
        require(self, "recipe", ("epoch_images",), lambda value: value is None or value >= 1, "at least 1, or none for all images")
        require(self, "recipe", ("lr_drop_epoch",), lambda value: value is None or value >= 0, "at least 0, or none for half of the epochs")

    @classmethod
    def paper(cls, epochs: int = 1000) -> Recipe:
        """Return the evaluation of the published code: one epoch more, the drop two epochs later, and a new optimizer at the drop."""
        return cls(epochs=epochs + 1, lr_drop_epoch=epochs // 2 + 2, reset_momentum=True)

    @classmethod
    def quick(cls, epochs: int = 200) -> Recipe:
        """Return a recipe for a first look, which takes equally long for any set of at least 100 images."""
        return cls(epochs=epochs, epoch_images=100)

    @classmethod
    def with_cutmix(cls, epochs: int = 1000) -> Recipe:
        """Return the evaluation of IDC (Kim et al., ICML 2022): colour and flip always, one more operation per batch, and CutMix."""
        augmentation = DSA(operations=("crop", "scale", "rotate"), always=("color", "flip"))
        return cls(epochs=epochs, batch=64, augmentation=augmentation, schedule="two-drops", cutmix=0.5)

    def set_for(self, images: ImageSet, rng: Rng) -> ImageSet | EpochWindow:
        """Return what epochs take their images from: ``images``, or a window over them if they are more than `epoch_images`."""
        count = self.epoch_images
        return EpochWindow(images, count, rng.child("window")) if count is not None and count < images.seen else images

    @property
    def stated_epochs(self) -> int:
        """Number of epochs as publications state it; their code, and `paper`, train one epoch more."""
        return self.epochs - 1 if self._has_published_drop else self.epochs

    @property
    def _has_published_drop(self) -> bool:
        return self.reset_momentum and self.epochs > 1 and self.lr_drop_epoch == Recipe.paper(self.epochs - 1).lr_drop_epoch

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the recipe with other ``epochs``. The drop of `paper` moves with them; a learning rate that never drops stays."""
        if self._has_published_drop:
            return replace(self, epochs=epochs + 1, lr_drop_epoch=Recipe.paper(epochs).lr_drop_epoch)
        never = self.lr_drop_epoch is not None and self.lr_drop_epoch >= self.epochs
        return replace(self, epochs=epochs, lr_drop_epoch=max(epochs, self.epochs) if never else self.lr_drop_epoch)

    @property
    def drop_epoch(self) -> int:
        """Number of epochs before the learning rate of the schedule ``drop`` drops."""
        return self.epochs // 2 if self.lr_drop_epoch is None else self.lr_drop_epoch

    def lr_at(self, epoch: int) -> float:
        """Return the learning rate of ``epoch``, counted from 0."""
        if self.schedule == "cosine":
            return self.lr * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        if self.schedule == "two-drops":
            return self.lr * 0.2 ** sum(epoch >= share * self.epochs // 6 for share in (4, 5))
        return self.lr / 10 if epoch >= self.drop_epoch else self.lr


# Recipes by name, as functions of the number of epochs.
RECIPES: dict[str, Callable[..., Recipe]] = {"clean": Recipe, "paper": Recipe.paper, "cutmix": Recipe.with_cutmix, "quick": Recipe.quick}


def train(network: Classifier, data: ImageSet, recipe: Recipe, rng: Rng, on_epoch: OnEpoch | None = None) -> None:
    """Train ``network`` in place on the images that it sees of ``data``.

    >>> from condensation import ConvNet, Recipe, Rng, load, train
    >>> data = load("digits").train.select([0, 1])
    >>> network = ConvNet(width=8).build(data.shape, data.num_classes, Rng(0))
    >>> train(network, data, Recipe(epochs=1), Rng(1))
    """
    train_together(SingleModel(network), [recipe.set_for(data, rng).decoded()], recipe, [rng], on_epoch)


def train_together(
    models: ModelBatch, sets: Sequence[ImageSet | EpochWindow], recipe: Recipe, rngs: Sequence[Rng], on_epoch: OnEpoch | None = None
) -> None:
    """Train each model on its own set (all have the same size) and stream, with the result of separate training up to rounding."""
    models.train(True)
    optimizer = optimizer_of(models, recipe)
    for epoch in range(recipe.epochs):
        epoch_sets = [images.for_epoch(epoch) if isinstance(images, EpochWindow) else images for images in sets]
        optimizer, _ = train_epoch(models, epoch_sets, recipe, rngs, optimizer, epoch)
        if on_epoch:
            on_epoch(epoch + 1)
    optimizer.zero_grad()  # frees the gradients


def train_epoch(
    models: ModelBatch,
    sets: Sequence[ImageSet],
    recipe: Recipe,
    rngs: Sequence[Rng],
    optimizer: Optimizer,
    epoch: int,
    on_batch: OnBatch | None = None,
) -> tuple[Optimizer, Tensor]:
    """Run one epoch, counted from 0. Return the optimizer for the next one, and the mean loss per image and network."""
    assert all(images.form is None for images in sets), "decode sets before training"
    if epoch == recipe.drop_epoch and recipe.reset_momentum:
        optimizer = optimizer_of(models, recipe)
    for parameters in optimizer.param_groups:
        parameters["lr"] = recipe.lr_at(epoch)
    dtype = models.parameters()[0].dtype
    augmentations = [recipe.augmentation.fit(images) if recipe.augmentation else None for images in sets]
    orders = torch.stack([rng.child("order", epoch).permutation(len(sets[0])) for rng in rngs]).to(sets[0].device)
    batches = _batches(sets, orders, recipe.batch)
    loss_name = loss_for([images.soft_labels for images in sets])
    loss_of = LOSSES[loss_name] if loss_name else F.cross_entropy
    total = torch.zeros((), dtype=dtype, device=sets[0].device)
    with models.seeded([rng.child("dropout", epoch) for rng in rngs]):
        for number, (indices, images, targets) in enumerate(batches):
            images, count = images.to(dtype), indices.shape[1]
            targets = targets.to(dtype) if targets.is_floating_point() else targets
            if recipe.augmentation:
                streams = [rng.child("augment", epoch, number) for rng in rngs]
                transforms = [each.per_image(count, rng) for each, rng in zip(augmentations, streams, strict=True) if each]
                images = concat_transforms(transforms, count)(images, torch.arange(len(images)))
            if recipe.cutmix:
                streams = [rng.child("cutmix", epoch, number) for rng in rngs]
                images, targets = cutmix(images, targets, streams, recipe.cutmix, sets[0].num_classes)
            images, targets = (tensor.view(models.count, count, *tensor.shape[1:]) for tensor in (images, targets))
            optimizer.zero_grad()
            batch_logits = []
            for part in models.microbatches(images):
                logits = models.forward_each(images[:, part])
                # The sum of the networks' losses: one network's loss has zero gradient with respect to another's parameters.
                mean_loss = loss_of(logits.flatten(0, 1).to(dtype), targets[:, part].flatten(0, 1))
                loss = models.count * mean_loss * (logits.shape[1] / count)
                loss.backward()  # type: ignore[no-untyped-call]
                batch_logits.append(logits.detach())
                total += loss.detach() * count
            if on_batch:
                on_batch(indices, torch.cat(batch_logits, 1))
            optimizer.step()
    return optimizer, total / (models.count * len(sets[0]))


def _batches(sets: Sequence[ImageSet], orders: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield indices (sets, n) from ``orders`` with the concatenated images and targets, soft or hard labels, of all sets."""
    all_targets = [images.soft_labels.values if images.soft_labels else images.labels for images in sets]
    for first in range(0, orders.shape[1], size):
        indices = orders[:, first : first + size]
        if all(images is sets[0] for images in sets):
            yield indices, sets[0].inputs(indices.flatten()), all_targets[0][indices.flatten()]
        else:
            images = torch.cat([images.inputs(chosen) for images, chosen in zip(sets, indices, strict=True)])
            yield indices, images, torch.cat([targets[chosen] for targets, chosen in zip(all_targets, indices, strict=True)])


def optimizer_of(models: ModelBatch, recipe: Recipe) -> Optimizer:
    """Return a new optimizer of ``recipe`` for the weights of all models."""
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(models.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(models.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def class_accuracies(models: ModelBatch, test: ImageSet, chunk: int) -> Tensor:
    """Return the accuracy of each network on each class of ``test``, (count, classes), float64 in [0, 1], ``chunk`` images at a time."""
    return tested(models, test, chunk)[0]


def tested(models: ModelBatch, test: ImageSet, chunk: int) -> tuple[Tensor, Tensor]:
    """Return `class_accuracies`, and the confusion matrix summed over the networks: int64 (classes, all classes), rows are true classes."""
    models.train(False)  # no norm mixes images then, so the chunk does not affect the result
    dtype = models.parameters()[0].dtype
    classes, outputs = len(test.classes), test.num_classes
    right = torch.zeros(models.count, classes, dtype=torch.int64, device=test.device)
    confusion = torch.zeros(classes * outputs, dtype=torch.int64, device=test.device)
    with torch.no_grad():
        for part in split(len(test), chunk):
            predicted, rows = models.forward_shared(test.inputs(part).to(dtype)).argmax(2), test.class_index[part]
            right.index_add_(1, rows, (predicted == test.labels[part]).long())
            pairs = (rows * outputs + predicted).flatten()
            confusion.index_add_(0, pairs, torch.ones_like(pairs))
    accuracies = right.cpu() / torch.tensor(list(test.counts.values()), dtype=torch.float64)
    return accuracies, confusion.view(classes, outputs).cpu()
