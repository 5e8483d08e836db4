"""Synthetic images as parameters that an optimizer updates."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from condensation.core.images import ImageSet

WARM_UP = 9  # steps; a larger value averages over fewer steps


class SyntheticImages(nn.Module):
    """Synthetic images whose pixels are free parameters, with fixed labels.

    With ``averaging`` a, the result is an exponential moving average of the images with decay min(a, t / (t + 9)) at step t.
    It covers about the last tenth of all steps, and at most about the last 1 / (1 - a).
    """

    average: Tensor
    steps: Tensor

    def __init__(self, template: ImageSet, averaging: float = 0.0) -> None:
        super().__init__()
        self.template, self.averaging = template, averaging
        self.images = nn.Parameter(template.images.clone())  # (n, c, h, w), preprocessed; values are not bounded
        if averaging:
            self.register_buffer("average", template.images.clone())
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def seen(self, indices: slice = slice(None)) -> Tensor:
        """Return what a network sees of the images at ``indices``, (n * form.count, c, h, w)."""
        return self.decode(self.images[indices])

    def decode(self, images: Tensor) -> Tensor:
        """Return what a network sees of stored ``images`` (n, c, h, w), (n * form.count, c, h, w)."""
        return self.template.form.decode(images) if self.template.form else images

    @contextmanager
    def part(self, indices: slice) -> Iterator[Tensor]:
        """Yield the images at ``indices`` as a leaf of their own; at the end, its gradient becomes a part of that of all images.

        The gradient of a slice would have the size of all images, so the time of a step would grow with the square of the classes.
        """
        leaf = self.images.detach()[indices].requires_grad_()
        yield leaf
        if self.images.grad is None:
            self.images.grad = torch.zeros_like(self.images)
        if leaf.grad is not None:
            self.images.grad[indices] += leaf.grad

    @property
    def seen_class_index(self) -> Tensor:
        """Class index of each seen image, (n * form.count,)."""
        return self.template.class_index.repeat_interleave(self.template.seen_per_stored)

    def update_average(self) -> None:
        """Update the moving average, if there is one, with the current images. Call this once after each step."""
        if self.averaging:
            self.steps += 1
            steps = int(self.steps)
            kept = min(self.averaging, steps / (steps + WARM_UP))
            self.average.lerp_(self.images.detach(), 1 - kept)

    def assign(self, images: Tensor) -> None:
        """Replace the images with ``images`` (n, c, h, w), in the order of the labels."""
        with torch.no_grad():
            self.images.copy_(images)

    def is_finite(self) -> bool:
        """Return whether all pixels, or all parameters that generate them, are finite."""
        return bool(self.images.isfinite().all())

    def snapshot(self) -> ImageSet:
        """Return the result as if the run ended now."""
        images = self.average if self.averaging else self.images.detach()
        return replace(self.template, images=images.clone())
