"""Labels that are learned: what a network's outputs shall be on each image, and the loss that they are made for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)
from torch import Tensor

from condensation.core.errors import CondensationError, unknown


def half_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the mean squared difference of ``outputs`` and ``targets``, both (n, classes), as of "KIP" (Nguyen et al., 2021)."""
    return (outputs - targets).square().mean() / 2


# By the name that a card gives: of outputs (n, classes) and soft labels (n, classes), the mean loss of an image.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"squared": half_squared, "cross-entropy": F.cross_entropy}
# The same as lines of plain PyTorch, of ``outputs`` and ``labels``.
LOSS_LINES = {
    "squared": "(outputs - labels).square().mean() / 2",
    "cross-entropy": "torch.nn.functional.cross_entropy(outputs, labels)",
}


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """A vector for each image of a set, in the order of the images, beside the classes that they are of."""

    values: Tensor  # (n, classes), floats
    loss: str = "squared"  # a name of `LOSSES`

    def checked(self, images: int, classes: int) -> SoftLabels:
        """These, if they suit that many images and classes.

        Raises:
            CondensationError: if they don't, are no finite numbers, or are for a loss that there is not.
        """
        if self.loss not in LOSSES:
            raise unknown("loss of soft labels", self.loss, LOSSES)
        if self.values.shape != (images, classes) or not self.values.is_floating_point():
            raise CondensationError(
                f"Soft labels must be floats ({images}, {classes}), a row an image and a column a class; "
                f"these are {self.values.dtype} {tuple(self.values.shape)}."
            )
        if not self.values.isfinite().all():
            raise CondensationError("A soft label is infinite or not a number.")
        return self

    def at(self, indices: Tensor) -> SoftLabels:
        """Those of the images at ``indices`` (n,)."""
        return replace(self, values=self.values[indices])

    def to(self, device: torch.device | str) -> SoftLabels:
        return replace(self, values=self.values.to(device))


def joined(one: SoftLabels | None, other: SoftLabels | None) -> SoftLabels | None:
    """Those of two sets that become one; None if neither has any.

    Raises:
        CondensationError: if only one has, or they are for different losses.
    """
    if one is None and other is None:
        return None
    if one is None or other is None or one.loss != other.loss:
        raise CondensationError("Sets to be joined must both have soft labels for the same loss, or neither.")
    return replace(one, values=torch.cat([one.values, other.values]))


def loss_for(labels: Sequence[SoftLabels | None]) -> str | None:
    """The loss that all of ``labels`` are for; None where they are classes, for which it is the cross-entropy."""
    losses = {one.loss if one else None for one in labels}
    if len(losses) > 1:
        raise ValueError(f"networks trained together need labels for one loss; these are for {losses}")
    return losses.pop()


def centred(classes: Tensor, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Class labels (n,) as vectors (n, ``count``) that sum to zero: 1 - 1/count at the class, -1/count elsewhere (KIP)."""
    return F.one_hot(classes, count).to(dtype) - 1 / count
