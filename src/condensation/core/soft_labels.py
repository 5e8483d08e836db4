"""Learned per-image target vectors and the loss they were trained for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.core.errors import CondensationError, unknown


def half_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return half the mean squared difference of ``outputs`` and ``targets``, both (n, classes): the loss of KIP (Nguyen et al., 2021)."""
    return (outputs - targets).square().mean() / 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"squared": half_squared, "cross-entropy": F.cross_entropy}
"""Mean loss per image of outputs (n, classes) and soft labels (n, classes), by its name on a card."""
LOSS_LINES = {"squared": "(outputs - labels).square().mean() / 2", "cross-entropy": "torch.nn.functional.cross_entropy(outputs, labels)"}
"""The same losses as PyTorch expressions, for the pages of exported sets."""


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Target vectors of the images of a set, in the order of the images.

    >>> import torch
    >>> from condensation import ImageSet, SoftLabels
    >>> soft = SoftLabels(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), "cross-entropy")
    >>> ImageSet.of(torch.rand(2, 1, 8, 8), torch.tensor([0, 1]), soft_labels=soft).soft_labels.values.shape
    torch.Size([2, 2])
    """

    values: Tensor
    """Targets, floats (n, classes)."""
    loss: str = "squared"
    """Name of the loss in `LOSSES`."""

    def validated(self, images: int, classes: int) -> SoftLabels:
        """Return these labels, checked. Raise CondensationError if they are not finite floats of shape (``images``, ``classes``)."""
        if self.loss not in LOSSES:
            raise unknown("loss of soft labels", self.loss, LOSSES)
        if self.values.shape != (images, classes) or not self.values.is_floating_point():
            shape = f"({images}, {classes}), (images, classes)"
            raise CondensationError(f"Expected soft labels as floats {shape}; got {self.values.dtype} {tuple(self.values.shape)}.")
        if not self.values.isfinite().all():
            raise CondensationError("Expected finite soft labels, got infinity or NaN.")
        return self

    def take(self, indices: Tensor) -> SoftLabels:
        """Return the labels of the images at ``indices`` (n,)."""
        return replace(self, values=self.values[indices])

    def to(self, device: torch.device | str) -> SoftLabels:
        return replace(self, values=self.values.to(device))


def concat_soft_labels(first: SoftLabels | None, second: SoftLabels | None) -> SoftLabels | None:
    """Return the soft labels of two sets joined, None if neither has any. Raise CondensationError if their losses differ."""
    if first is None and second is None:
        return None
    if first is None or second is None or first.loss != second.loss:
        raise CondensationError("Expected soft labels for the same loss in both sets, or in neither.")
    return replace(first, values=torch.cat([first.values, second.values]))


def loss_for(labels: Sequence[SoftLabels | None]) -> str | None:
    """Return the loss that all of ``labels`` share; None for class labels, whose loss is the cross-entropy."""
    losses = {soft.loss if soft else None for soft in labels}
    if len(losses) > 1:
        raise ValueError(f"expected labels with the same loss for networks trained together, got {losses}")
    return losses.pop()


def centred(classes: Tensor, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return class labels (n,) as vectors (n, ``count``) that sum to zero: 1 - 1/count at the class, -1/count elsewhere (KIP)."""
    return F.one_hot(classes, count).to(dtype) - 1 / count
