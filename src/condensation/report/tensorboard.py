"""An observer that shows a run in TensorBoard: the loss, and now and then the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.errors import MissingExtra
from condensation.methods.loop import StepInfo
from condensation.report.grid import grid


class TensorBoard:
    """Writes events below ``folder``: the loss of every step, a grid of the images about twenty times a run.

    Raises:
        MissingExtra: if tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("--tensorboard", "track") from None
        # The folder is made when there is something to write: a run that is refused must leave nothing.
        self._open: Callable[[int], Any] = lambda step: SummaryWriter(str(folder), purge_step=step + 1)
        self._writer: Any = None

    def __call__(self, moment: StepInfo) -> None:
        if self._writer is None:
            self._writer = self._open(moment.step)  # steps of a broken-off run that are done again are not shown twice
        if moment.loss is not None:
            self._writer.add_scalar("loss", moment.loss, moment.step)
        if moment.step % max(1, moment.steps // 20) == 0 or moment.step == moment.steps:
            picture = grid(moment.snapshot().to("cpu"), title=f"step {moment.step:,}")
            self._writer.add_image("images", np.asarray(picture), moment.step, dataformats="HWC")
        if moment.step == moment.steps:
            self._writer.flush()
