"""Where synthetic images come from while they are learned."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from condensation.images import ImageSet
from condensation.rng import Rng


class Pixels(nn.Module):
    """Synthetic images whose every pixel is free, with fixed labels."""

    def __init__(self, start: ImageSet) -> None:
        super().__init__()
        self.start = start
        self.images = nn.Parameter(start.images.clone())  # (n, c, h, w), what a network sees; values are not bounded

    def snapshot(self) -> ImageSet:
        """The images as they are now."""
        return replace(self.start, images=self.images.detach().clone())


def start_from_real(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """``ipc`` random different real images of each class, preprocessed."""
    indices = real.draw(ipc, rng).indices
    chosen = real.take(indices)
    return replace(chosen, images=chosen.inputs())


def start_from_noise(real: ImageSet, ipc: dict[int, int], rng: Rng) -> ImageSet:
    """Images of standard normal noise, as many of each class as ``ipc`` says."""
    noise = torch.cat([rng.child(label).normal((count, *real.shape)) for label, count in ipc.items()])
    labels = torch.repeat_interleave(torch.tensor(list(ipc)), torch.tensor(list(ipc.values())))
    return replace(real, images=noise.to(real.device), labels=labels.to(real.device))


STARTS = {"real": start_from_real, "noise": start_from_noise}


def is_finite(images: Tensor) -> bool:
    """Whether no pixel is infinite or not a number."""
    return bool(images.isfinite().all())
