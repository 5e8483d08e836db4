"""Progress of long work, reported to a callback."""

from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[int, int], None]
"""Callback that receives (done, total) after each unit of work."""


@dataclass(frozen=True)
class Progress:
    """Callbacks of a run or an evaluation; each may raise `condensation.methods.loop.Stopped`."""

    reading: OnProgress | None = None
    """Counts images read."""
    evaluating: OnProgress | None = None
    """Counts epochs of the evaluation, or test images of kernel ridge regression."""
