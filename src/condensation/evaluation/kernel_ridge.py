"""What a set is worth to kernel ridge regression by a tangent kernel: an infinitely wide network, trained without end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.soft_labels import centred
from condensation.evaluation.evaluate import check_fit
from condensation.ntk.base import NTK
from condensation.ntk.gram import BLOCK_BYTES, gram
from condensation.ntk.memory import require_room
from condensation.ntk.ridge import ridge_weights
from condensation.training.train import Recipe
from condensation.training.train_and_test import OnProgress

TESTED = 1000  # test images at a time


@dataclass(frozen=True)
class Regressed:
    """Test accuracy in percent; nothing is drawn, so it is one number."""

    value: float
    per_class: dict[str, float]

    def summary(self) -> dict[str, Any]:
        """The numbers, for JSON, as those of `Accuracies.summary`."""
        per_class = {name: round(value, 2) for name, value in self.per_class.items()}
        return {"mean": round(self.value, 3), "deviation": 0.0, "count": 1, "per_class": per_class}


def regress(
    one: ImageSet,
    test: ImageSet,
    *,
    kernel: NTK,
    reg: float = 1e-6,
    compute: Compute = Compute(),
    on_progress: OnProgress | None = None,
) -> Regressed:
    """Count what kernel ridge regression on ``one``, by its soft labels for the squared loss or else its classes, gets right on ``test``.

    Classes are one-hot less their mean, as in KIP (Nguyen et al., 2021). All is computed in float64. ``on_progress`` is told how
    many test images are done, and of how many.

    Raises:
        CondensationError: if the sets don't fit each other or the kernel, or the soft labels are for another loss.
        NotEnoughMemory: if the kernel matrices, or a pair of images, have no room.
        NotPositiveDefinite: if the kernel matrix cannot be solved with.
    """
    check_fit(one, test)
    kernel.validate(one.shape)
    soft = one.soft_labels
    if soft and soft.loss != "squared":
        raise CondensationError(f"Kernel ridge regression is by the squared loss; the soft labels of this set are for {soft.loss}.")
    device = torch.device(compute.resolve().device)
    if device.type not in BLOCK_BYTES:
        raise CondensationError(f"Tangent kernels are computed in float64, which {device.type} does not have.\nUse --device cpu.")
    advice = "Use a kernel without pooling (--kernel conv or fc), or a set of fewer or smaller images."
    require_room(kernel, one.shape, len(one) * (min(TESTED, len(test)) + len(one)), device, "Kernel ridge regression", advice)
    one, test = one.to(device), test.to(device)
    labels = one.soft_labels.values.double() if one.soft_labels else centred(one.labels, one.num_classes)
    right = torch.zeros(len(test.classes), dtype=torch.int64, device=device)
    with torch.no_grad():
        images = one.inputs().double()
        learned = ridge_weights(gram(kernel, images, images), labels, reg)
        for piece in split(len(test), TESTED):
            said = (gram(kernel, test.inputs(piece).double(), images) @ learned).argmax(1)
            right.index_add_(0, test.class_index[piece], (said == test.labels[piece]).long())
            if on_progress:
                on_progress(piece.stop, len(test))
    parts = 100 * right.cpu().double() / torch.tensor(list(test.counts.values()))
    names = [test.class_names[label] for label in test.classes]
    return Regressed(100 * float(right.sum()) / len(test), dict(zip(names, parts.tolist(), strict=True)))


FORGOTTEN = 3.0  # the weights at the start fall to about exp(-3) of themselves


def wide_recipe(images: ImageSet, kernel: NTK, epochs: int = 5000) -> Recipe:
    """How a `Wide` network of ``kernel`` comes near to what the kernel says: half the `stable_lr`, batches of 100, nothing augmented.

    A finite network begins with a random function, as large as what it is to learn, and of which kernel ridge regression, a mean over
    all networks, knows nothing. Weight decay takes it away: as much as lets it, and what was learned first, fall to a twentieth
    a layer. KIP (Nguyen et al., 2021) takes the best of a grid of rates, and decays by 0.001 in some.
    """
    batch, momentum = 100, 0.9
    lr = stable_lr(images, kernel, momentum=momentum) / 2
    at_full_rate = (epochs // 2 + (epochs - epochs // 2) / 10) * math.ceil(len(images) / batch)
    decay = FORGOTTEN * (1 - momentum) / (lr * at_full_rate)
    return Recipe(epochs=epochs, lr=lr, momentum=momentum, weight_decay=decay, batch=batch, augmentation=None)


def stable_lr(images: ImageSet, kernel: NTK, *, momentum: float = 0.9, some: int = 50) -> float:
    """The largest rate at which SGD on the squared loss of soft labels does not diverge for a `Wide` network of ``kernel``.

    It is 2 (1 + momentum) n C over the largest eigenvalue of the kernel matrix of n images, the first ``some`` of a set evenly spaced,
    where the loss is half the mean over n images and C classes. KIP takes it from a finite network's; in this
    parametrisation they are the same up to the width.
    """
    with torch.no_grad():
        chosen = torch.linspace(0, len(images) - 1, min(some, len(images)), device=images.device).long()
        seen = images.inputs(chosen).double()
        largest = float(torch.linalg.eigvalsh(gram(kernel, seen, seen))[-1])
    return 2 * (1 + momentum) * len(chosen) * images.num_classes / largest
