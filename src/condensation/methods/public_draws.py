"""Public draws of a private method: random networks, augmentations and the projection, which no image decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from condensation.augment.base import Transform
from condensation.core.compute import Compute
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.rng import Rng
from condensation.methods.privacy import Privacy, Releasing
from condensation.networks.base import Classifier


class PublicDraws:
    """The public draws of a release: networks, augmentations and the projection, which follow from its seed."""

    def __init__(self, method: Releasing, images: ImageSet, seed: int, compute: Compute, network: Classifier | None = None) -> None:
        self.method, self.rng = method, Rng(seed).child("release")
        self.network = network or method.networks.network(images.shape, images.num_classes, compute.device).to(compute.dtype)

    @property
    def privacy(self) -> Privacy:
        """Settings of the release."""
        assert self.method.privacy is not None
        return self.method.privacy

    def draw(self, number: int, images: ImageSet) -> Transform | None:
        """Write the weights of network ``number`` into the module, and return its augmentation, with one draw per class."""
        self.method.networks.redraw(self.network, self.rng.child("network", number))
        augmentation = self.method.augmentation
        return None if augmentation is None else augmentation.fit(images).per_class(images.classes, self.rng.child("augment", number))

    def center(self, references: Tensor | None, embed: Callable[[Tensor], Tensor], chunk: int) -> Tensor:
        """Return the mean embedding (dims,) of public ``references`` by the current network; zeros (1,) without them."""
        if references is None:
            return torch.zeros(1)
        weights = next(self.network.parameters())
        with torch.no_grad():
            pieces = [embed(piece.to(weights)) for piece in torch.split(references, chunk)]
        return torch.cat(pieces).to(weights.dtype).mean(0)

    @cached_property
    def projection(self) -> Tensor | None:
        """Random projection (dims, k), the same for all networks, scaled to keep norms on average; None if none is asked for."""
        wanted = self.privacy.projection
        if wanted is None:
            return None
        head = self.network.head
        dims = head.in_features if head is not None else 0
        if not wanted <= dims:
            message = f"Expected a projection to at most {dims} dimensions, those of the embedding, got {wanted}."
            raise CondensationError(message, setting="method.privacy.projection")
        matrix = self.rng.child("projection").normal((dims, wanted))
        return matrix.mul_(1 / math.sqrt(wanted))
