"""Kernel ridge regression on a set with an NTK: the limit of infinite width and infinite training time."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from condensation.core.compute import Compute, torch_device
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.microbatch import split
from condensation.core.progress import OnProgress
from condensation.core.soft_labels import centred
from condensation.evaluation.evaluate import check_fit
from condensation.networks.ntk.base import NTK
from condensation.networks.ntk.gram import BLOCK_BYTES, gram, require_room
from condensation.networks.ntk.ridge import ridge_weights
from condensation.training.train import Recipe

TEST_CHUNK = 1000  # test images at a time
DECAY = 3.0  # weight decay of `wide_recipe` shrinks the initial weights to about exp(-3)


@dataclass(frozen=True)
class RidgeAccuracy:
    """Test accuracy in percent; a single number, because nothing is random."""

    value: float
    per_class: dict[str, float]

    def summary(self) -> dict[str, Any]:
        """Return the numbers for JSON, under the names of `Accuracies.summary`."""
        per_class = {name: round(value, 2) for name, value in self.per_class.items()}
        return {"mean": round(self.value, 3), "deviation": 0.0, "count": 1, "per_class": per_class}


def regress(
    images: ImageSet, test: ImageSet, *, kernel: NTK, reg: float = 1e-6, compute: Compute = Compute(), on_progress: OnProgress | None = None
) -> RidgeAccuracy:
    """Return the accuracy on ``test`` of kernel ridge regression on ``images``, computed in float64.

    Targets are the soft labels for the squared loss, or centred one-hot classes as in KIP (Nguyen et al., 2021). ``on_progress`` counts
    test images. Raise CondensationError if the sets don't fit each other or the kernel or the soft labels are for another loss,
    NotEnoughMemory if the kernel matrices do not fit in memory, and NotPositiveDefinite if the kernel matrix is not positive definite.
    """
    check_fit(images, test)
    images = images.decoded()
    kernel.validate(images.shape)
    if images.soft_labels and images.soft_labels.loss != "squared":
        raise CondensationError(f"Kernel ridge regression needs soft labels for the squared loss; these are for {images.soft_labels.loss}.")
    device = torch_device(compute.device)
    if device.type not in BLOCK_BYTES:
        message = f"Tangent kernels are computed in float64, which {device.type} does not support."
        raise CondensationError(message, hint='Use device="cpu".', setting="compute.device")
    pairs = len(images) * (min(TEST_CHUNK, len(test)) + len(images))
    advice = 'Use a kernel without pooling (kernel="conv" or "fc"), or a set of fewer or smaller images.'
    require_room(kernel, images.shape, pairs, device, "Kernel ridge regression", advice)
    images, test = images.to(device), test.to(device)
    targets = images.soft_labels.values.double() if images.soft_labels else centred(images.labels, images.num_classes)
    correct = torch.zeros(len(test.classes), dtype=torch.int64, device=device)
    with torch.no_grad():
        inputs = images.inputs().double()
        coefficients = ridge_weights(gram(kernel, inputs, inputs), targets, reg)
        for piece in split(len(test), TEST_CHUNK):
            predicted = (gram(kernel, test.inputs(piece).double(), inputs) @ coefficients).argmax(1)
            correct.index_add_(0, test.class_index[piece], (predicted == test.labels[piece]).long())
            if on_progress:
                on_progress(piece.stop, len(test))
    per_class = 100 * correct.cpu().double() / torch.tensor(list(test.counts.values()))
    names = [test.class_names[label] for label in test.classes]
    return RidgeAccuracy(100 * float(correct.sum()) / len(test), dict(zip(names, per_class.tolist(), strict=True)))


def wide_recipe(images: ImageSet, kernel: NTK, epochs: int = 5000) -> Recipe:
    """Return a recipe that trains a `Wide` network of ``kernel`` close to kernel ridge regression on ``images``.

    The learning rate is half the `stable_lr`, batches hold 100 images, and there is no augmentation. Weight decay removes the random
    initial function, which is as large as the targets and which kernel ridge regression, a mean over networks, does not have.
    KIP (Nguyen et al., 2021) takes the best learning rate of a grid, with a decay of 0.001 in some cases.
    """
    images, batch, momentum = images.decoded(), 100, 0.9
    lr = stable_lr(images, kernel, momentum=momentum) / 2
    steps_at_full_lr = (epochs // 2 + (epochs - epochs // 2) / 10) * math.ceil(len(images) / batch)
    decay = DECAY * (1 - momentum) / (lr * steps_at_full_lr)
    return Recipe(epochs=epochs, lr=lr, momentum=momentum, weight_decay=decay, batch=batch, augmentation=None)


def stable_lr(images: ImageSet, kernel: NTK, *, momentum: float = 0.9, some: int = 50) -> float:
    """Return the largest learning rate at which SGD on the squared loss does not diverge for a `Wide` network of ``kernel``.

    It is 2 (1 + momentum) n C divided by the largest eigenvalue of the kernel matrix of n = ``some`` evenly spaced images of the set;
    the loss is half the mean over n images and C classes. KIP uses the kernel of a finite network, which is equal up to the width.
    """
    images = images.decoded()
    with torch.no_grad():
        index = torch.linspace(0, len(images) - 1, min(some, len(images)), device=images.device).long()
        inputs = images.inputs(index).double()
        largest = float(torch.linalg.eigvalsh(gram(kernel, inputs, inputs))[-1])
    return 2 * (1 + momentum) * len(index) * images.num_classes / largest
