"""Where synthetic images come from while they are learned."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from condensation.core.images import ImageSet

WARM_UP = 9  # steps; the larger, the shorter the average


class SyntheticImages(nn.Module):
    """Synthetic images whose every pixel is free, with fixed labels.

    With ``averaging``, what they are in the end is a running average of what they were: at each step it keeps that
    part, at most, and takes the rest from the images after the step. As t / (t + 9) is kept after t steps while that is
    less, it goes back about a tenth of the steps, and 1 / (1 - averaging) of them where those are fewer.
    """

    average: Tensor
    steps: Tensor

    def __init__(self, start: ImageSet, averaging: float = 0.0) -> None:
        super().__init__()
        self.template, self.averaging = start, averaging
        self.images = nn.Parameter(start.images.clone())  # (n, c, h, w), what a network sees; values are not bounded
        if averaging:
            self.register_buffer("average", start.images.clone())
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def update_average(self) -> None:
        """Let the average, if there is one, take in the images as they are now: once after each step."""
        if self.averaging:
            self.steps += 1
            steps = int(self.steps)
            kept = min(self.averaging, steps / (steps + WARM_UP))
            self.average.lerp_(self.images.detach(), 1 - kept)

    def assign(self, images: Tensor) -> None:
        """Take the place of what was there: ``images`` (n, c, h, w), in the order of the labels."""
        with torch.no_grad():
            self.images.copy_(images)

    def is_finite(self) -> bool:
        """Whether no pixel, or what makes them, is infinite or not a number."""
        return bool(self.images.isfinite().all())

    def snapshot(self) -> ImageSet:
        """What would be the result if this were the last step."""
        images = self.average if self.averaging else self.images.detach()
        return replace(self.template, images=images.clone())
