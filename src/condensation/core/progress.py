"""Progress of long work, reported to a callback."""

from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[int, int], None]
"""Callback that receives (done, total) after each unit of work."""


@dataclass(frozen=True)
class Progress:
    """Callbacks of a run or an evaluation; each may raise `condensation.methods.loop.Stopped` to end it."""

    reading: OnProgress | None = None
    """Receives the number of images read."""
    training: OnProgress | None = None
    """Receives the number of batches of the networks that are trained before the first step."""
    evaluating: OnProgress | None = None
    """Receives the number of epochs of the evaluation, or of test images of kernel ridge regression."""
    releasing: OnProgress | None = None
    """Receives the number of images in the noisy sums of a private method."""
