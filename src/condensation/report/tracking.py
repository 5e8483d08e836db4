"""An observer that writes the loss and the images of a run for TensorBoard, Weights & Biases or MLflow."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL.Image import Image

from condensation.core.errors import MissingExtra
from condensation.core.plain import to_dict
from condensation.methods.step_info import StepInfo
from condensation.report.grid import grid

PICTURES = 20  # per run


class Tracker(Protocol):
    """Program that shows runs."""

    def loss(self, value: float, step: int) -> None: ...

    def picture(self, picture: Image, step: int) -> None: ...

    def close(self) -> None: ...


class Track:
    """Observer that writes the loss of every step and about twenty pictures per run for a program that shows runs.

    The tracker is opened with the first event, so a rejected run leaves nothing.

    >>> from condensation import PixelMMD, Track, condense, load
    >>> class Lines:
    ...     def loss(self, value, step):
    ...         print("loss of step", step)
    ...     def picture(self, picture, step):
    ...         print("picture of step", step, picture.mode)
    ...     def close(self):
    ...         print("closed")
    >>> small = condense(PixelMMD(steps=1), load("digits").train, ipc=1, observers=[Track(lambda info: Lines())])
    picture of step 0 RGB
    loss of step 1
    picture of step 1 RGB
    closed
    """

    def __init__(self, opened: Callable[[StepInfo], Tracker]) -> None:
        self._open = opened
        self._tracker: Tracker | None = None

    @classmethod
    def tensorboard(cls, folder: str | Path) -> Track:
        """Return an observer that writes events for TensorBoard to ``folder``. Raise MissingExtra if TensorBoard is not installed."""
        writer = _required("torch.utils.tensorboard", "TensorBoard").SummaryWriter
        return cls(lambda info: TensorBoard(writer(str(folder), purge_step=info.step + 1)))  # a resumed run replaces the steps it repeats

    @classmethod
    def wandb(cls, **settings: Any) -> Track:
        """Return an observer that opens a run of Weights & Biases with ``settings``, arguments of ``wandb.init``.

        ``mode="offline"`` writes files only. Raise MissingExtra if the package is not installed.
        """
        wandb = _required("wandb", "Weights & Biases")
        return cls(lambda info: WeightsAndBiases(wandb.init(**{"config": to_dict(info.method), **settings}), wandb.Image))

    @classmethod
    def mlflow(cls, **settings: Any) -> Track:
        """Return an observer that opens a run of MLflow with ``settings``, arguments of ``mlflow.start_run``.

        ``mlflow.set_tracking_uri`` decides where it is written. Raise MissingExtra if the package is not installed.
        """
        mlflow = _required("mlflow", "MLflow")

        def opened(info: StepInfo) -> Tracker:
            mlflow.start_run(**settings)
            return MLflow(mlflow, to_dict(info.method))

        return cls(opened)

    def __call__(self, info: StepInfo) -> None:
        images = info.snapshot().to("cpu") if is_pictured(info) else None  # first: what fails below must not leave others waiting
        tracker = self._tracker = self._tracker or self._open(info)
        if info.loss is not None:
            tracker.loss(info.loss, info.step)
        if images is not None:
            tracker.picture(grid(images, title=f"step {info.step:,}"), info.step)
        if info.step == info.steps:
            tracker.close()
            self._tracker = None


def is_pictured(info: StepInfo) -> bool:
    """Return whether `Track` writes a picture at this step."""
    return info.step % max(1, info.steps // PICTURES) == 0 or info.step == info.steps


def follow(info: StepInfo) -> None:
    """Give the images of this process to the pictures of `Track`, which is an observer of the first process of the team."""
    if is_pictured(info):
        info.snapshot()


class TensorBoard:
    """Writer of TensorBoard's events."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def loss(self, value: float, step: int) -> None:
        self._writer.add_scalar("loss", value, step)

    def picture(self, picture: Image, step: int) -> None:
        self._writer.add_image("images", np.asarray(picture), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """Run of Weights & Biases."""

    def __init__(self, run: Any, image: Callable[[Image], Any]) -> None:
        self._run, self._image = run, image

    def loss(self, value: float, step: int) -> None:
        self._run.log({"loss": value}, step=step)

    def picture(self, picture: Image, step: int) -> None:
        self._run.log({"images": self._image(picture)}, step=step)

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """Run of MLflow."""

    def __init__(self, mlflow: Any, settings: dict[str, Any]) -> None:
        self._mlflow = mlflow
        mlflow.log_dict(settings, "method.json")

    def loss(self, value: float, step: int) -> None:
        self._mlflow.log_metric("loss", value, step=step)

    def picture(self, picture: Image, step: int) -> None:
        self._mlflow.log_image(picture, key="images", step=step)

    def close(self) -> None:
        self._mlflow.end_run()


# Observers of the command by name, for a run folder.
TRACKERS: dict[str, Callable[[Path], Track]] = {
    "tensorboard": lambda out: Track.tensorboard(out / "tensorboard"),
    "wandb": lambda out: Track.wandb(name=out.name, dir=str(out)),
    "mlflow": lambda out: Track.mlflow(run_name=out.name),
}


def _required(module: str, title: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(title, "track") from None
