"""An observer that writes the loss and the images of a run for TensorBoard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.errors import MissingExtra
from condensation.methods.loop import StepInfo
from condensation.report.grid import grid


class TensorBoard:
    """Observer that writes the loss of every step and about twenty pictures per run to ``folder``."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("TensorBoard", "track") from None
        # The folder is created with the first event, so a rejected run leaves nothing.
        self._open: Callable[[int], Any] = lambda step: SummaryWriter(str(folder), purge_step=step + 1)
        self._writer: Any = None

    def __call__(self, info: StepInfo) -> None:
        if self._writer is None:
            self._writer = self._open(info.step)  # a resumed run replaces the steps it repeats
        if info.loss is not None:
            self._writer.add_scalar("loss", info.loss, info.step)
        if info.step % max(1, info.steps // 20) == 0 or info.step == info.steps:
            picture = grid(info.snapshot().to("cpu"), title=f"step {info.step:,}")
            self._writer.add_image("images", np.asarray(picture), info.step, dataformats="HWC")
        if info.step == info.steps:
            self._writer.flush()
